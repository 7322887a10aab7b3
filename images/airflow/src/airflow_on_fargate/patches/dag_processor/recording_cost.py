"""Record a parse with fewer queries and without building the same timetable many times.

The recording of a small DAG took more CPU than its parse. Two thirds of it repeat what is known:

- FAB's permissions of each DAG are looked up one by one, with three queries for each, at every
  parse, and each is created in a transaction of its own. With this patch one query looks for all of
  a DAG, and those that are missing are created together. DAGs with an `access_control` are
  synchronized as before.
- Each access to a DAG's timetable builds it from its serialized form, some twenty times for each
  recording. With this patch it is built once.

No upstream report is known. The text of one is docs/upstream/cost-of-a-parse.md.
"""

import importlib
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

# Where the statement is that leaves existing rows alone.
_INSERTS: Final = {
    "postgresql": "sqlalchemy.dialects.postgresql",
    "sqlite": "sqlalchemy.dialects.sqlite",
}


def apply() -> None:
    """Surround the synchronization of permissions and keep a timetable that was built."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing import collection
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    replace(collection, "_sync_dag_perms", _where_needed)
    built = LazyDeserializedDAG.timetable
    if not getattr(built.fget, "builds_once", False):
        LazyDeserializedDAG.timetable = property(_once(built.fget))


def _where_needed(original: Any) -> Any:
    def _sync_dag_perms(dag: Any, session: Any) -> None:
        if dag.access_control is not None or session.get_bind().dialect.name not in _INSERTS:
            original(dag, session=session)
        elif missing := _missing_permissions(dag.dag_id, session):
            _add(missing, session)

    return _sync_dag_perms


def _missing_permissions(dag_id: str, session: Any) -> set[tuple[str, str]]:
    """Pairs of action and resource."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource
    from airflow.providers.fab.auth_manager.security_manager.override import (
        FabAirflowSecurityManagerOverride,
    )
    from airflow.providers.fab.www.security.permissions import resource_name
    from sqlalchemy import select

    kinds = FabAirflowSecurityManagerOverride.RESOURCE_DETAILS_MAP
    wanted = {
        (action, resource_name(dag_id, kind))
        for kind, details in kinds.items()
        for action in details["actions"]
    }
    # Columns, not objects: these would load the roles and users of each permission.
    query = (
        select(Action.name, Resource.name)
        .join(Permission, Permission.action_id == Action.id)
        .join(Resource, Permission.resource_id == Resource.id)
        .where(Resource.name.in_(sorted({resource for _, resource in wanted})))
    )
    return wanted.difference(map(tuple, session.execute(query)))


def _add(missing: set[tuple[str, str]], session: Any) -> None:
    """Create permissions as FAB does, without a commit after each."""
    from airflow.providers.fab.auth_manager.models import Action, Permission, Resource
    from sqlalchemy import select, true, tuple_

    insert = importlib.import_module(_INSERTS[session.get_bind().dialect.name]).insert
    # Another process may create them at the same moment.
    for kind, names in ((Action, {a for a, _ in missing}), (Resource, {r for _, r in missing})):
        rows = [{"name": name} for name in sorted(names)]
        session.execute(insert(kind).values(rows).on_conflict_do_nothing())
    pairs = (
        select(Action.id, Resource.id)
        .join_from(Action, Resource, true())
        .where(tuple_(Action.name, Resource.name).in_(sorted(missing)))
    )
    adding = insert(Permission.__table__).from_select(["permission_id", "view_menu_id"], pairs)
    session.execute(adding.on_conflict_do_nothing())


def _once(build: Any) -> Any:
    def timetable(self: Any) -> Any:
        serialized = self.data["dag"]["timetable"]
        kept = self.__dict__.get("_timetable_built")
        # A copy of the DAG may have other data.
        if kept is None or kept[0] is not serialized:
            kept = self.__dict__["_timetable_built"] = (serialized, build(self))
        return kept[1]

    timetable.builds_once = True  # type: ignore[attr-defined]
    return timetable
