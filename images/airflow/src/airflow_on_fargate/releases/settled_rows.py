"""The DAGs of one bundle in Airflow's database, for `settled`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update

# The dag-processor's loop waits for these statements.
_STATEMENT_TIMEOUT = "10s"
_LOCK_TIMEOUT = "5s"


class DagRows:
    def __init__(self, bundle_name: str) -> None:
        self._bundle_name = bundle_name
        # Paused DAGs that were due when their file was last handed out, with that time.
        self._refreshed: dict[str, datetime] = {}

    def move(self, dags: Mapping[str, int], old: str, new: str) -> set[str]:
        from airflow.models.dag import DagModel
        from airflow.models.dag_version import DagVersion

        with _session() as session:
            found = session.execute(
                select(DagModel.dag_id, DagModel.relative_fileloc)
                .where(
                    *self._live(),
                    DagModel.bundle_version == old,
                    DagModel.relative_fileloc.in_(list(dags)),
                )
                .with_for_update()
            ).all()
            file_of = dict(found)
            latest = (
                select(DagVersion.dag_id, func.max(DagVersion.version_number).label("number"))
                .where(DagVersion.dag_id.in_(list(file_of)))
                .group_by(DagVersion.dag_id)
                .subquery()
            )
            versions = session.execute(
                select(DagVersion.dag_id, DagVersion.id)
                .join(
                    latest,
                    (DagVersion.dag_id == latest.c.dag_id)
                    & (DagVersion.version_number == latest.c.number),
                )
                .where(
                    DagVersion.bundle_name == self._bundle_name, DagVersion.bundle_version == old
                )
            ).all()
            version_of = dict(versions)
            complete = Counter(path for dag_id, path in file_of.items() if dag_id in version_of)
            moved = {path for path, number in dags.items() if complete[path] == number}
            moving = [dag_id for dag_id in version_of if file_of[dag_id] in moved]
            if moving:
                session.execute(
                    update(DagModel)
                    .where(DagModel.dag_id.in_(moving))
                    .values(bundle_version=new)
                    .execution_options(synchronize_session=False)
                )
                session.execute(
                    update(DagVersion)
                    .where(DagVersion.id.in_([version_of[dag_id] for dag_id in moving]))
                    .values(bundle_version=new)
                    .execution_options(synchronize_session=False)
                )
        return moved

    def to_parse(self, dags: Mapping[str, int]) -> set[str]:
        """Files of which a DAG is missing or stale: deleted in the UI, or moved to another file.

        Also those of paused DAGs whose next run has become due. Only a parse writes a later time,
        and a DAG without catch-up would otherwise start with an old interval when it is resumed.
        """
        from airflow._shared.timezones import timezone
        from airflow.models.dag import DagModel

        with _session() as session:
            counts = dict(
                session.execute(
                    select(DagModel.relative_fileloc, func.count())
                    .where(*self._live())
                    .group_by(DagModel.relative_fileloc)
                ).all()
            )
            due = session.execute(
                select(
                    DagModel.dag_id, DagModel.relative_fileloc, DagModel.next_dagrun_create_after
                ).where(
                    *self._live(),
                    DagModel.is_paused,
                    DagModel.next_dagrun_create_after <= timezone.utcnow(),
                )
            ).all()
        wanted = {path for path, number in dags.items() if counts.get(path, 0) != number}
        wanted |= {path for dag_id, path, at in due if self._refreshed.get(dag_id) != at}
        # With catch-up, a parse does not change the time: once for each time is enough.
        self._refreshed = {dag_id: at for dag_id, _, at in due}
        return wanted

    def _live(self) -> tuple[Any, ...]:
        from airflow.models.dag import DagModel

        return (
            DagModel.bundle_name == self._bundle_name,
            DagModel.is_stale.is_(False),
            DagModel.has_import_errors.is_(False),
        )


@contextmanager
def _session() -> Iterator[Any]:
    """A session that gives up when the database does not respond."""
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
            session.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        yield session
