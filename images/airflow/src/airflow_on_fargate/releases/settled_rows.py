"""The DAGs of one bundle in Airflow's database, for `settled`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, or_, select, text, update

from airflow_on_fargate.import_error_rows import split
from airflow_on_fargate.releases.settled import Parse, Recorded

# The dag-processor's loop waits for these statements.
_STATEMENT_TIMEOUT: Final = "10s"
_LOCK_TIMEOUT: Final = "5s"
# The scheduler creates a run this long after it is due, or something keeps it from doing so.
LATE: Final = timedelta(minutes=1)


class DagRows:
    def __init__(self, bundle_name: str) -> None:
        self._bundle_name = bundle_name
        # DAGs that were due when their file was last handed out, with that time.
        self._refreshed: dict[str, datetime] = {}
        # The last run of each DAG by its schedule or a backfill.
        self._last_runs: dict[str, datetime] = {}

    def recorded(self) -> dict[str, Recorded]:
        """The files whose DAGs are complete in one release."""
        with _session() as session:
            found = self._rows_of_files(session)
            broken = self._files_with_errors(session)
        recorded = {}
        for path, rows in found.items():
            parse = _only(rows)
            if parse is None or path in broken:
                continue
            releases = {row.bundle_version for row in rows}
            times = [row.last_parsed_time for row in rows]
            if len(releases) == 1 and all(times):
                recorded[path] = Recorded(parse, releases.pop(), max(times))
        return recorded

    def move(self, parses: Mapping[str, Parse], old: str, new: str) -> set[str]:
        """Files with a DAG that another transaction holds are parsed: nothing waits for it."""
        from airflow.models.dag import DagModel
        from airflow.models.dag_version import DagVersion

        with _session() as session:
            found = session.execute(
                self._versions()
                .where(DagModel.bundle_version == old, DagModel.relative_fileloc.in_(list(parses)))
                .with_for_update(of=DagModel, key_share=True, skip_locked=True)
            ).all()
            rows = _by_file(found)
            moved = {path for path, parse in parses.items() if _are_of(parse, rows.get(path))}
            moving = [row for row in found if row.relative_fileloc in moved]
            if moving:
                session.execute(
                    update(DagModel)
                    .where(DagModel.dag_id.in_([row.dag_id for row in moving]))
                    .values(bundle_version=new)
                    .execution_options(synchronize_session=False)
                )
                session.execute(
                    update(DagVersion)
                    .where(DagVersion.id.in_([row.id for row in moving]))
                    .values(bundle_version=new)
                    .execution_options(synchronize_session=False)
                )
        return moved

    def to_parse(self, parses: Mapping[str, Parse], release: str) -> set[str]:
        """Files whose parse is not in the database, and those that need what each parse does.

        The first are files of which a DAG is missing, stale, of another file or another release,
        or was written by another parse. A parse also corrects what Airflow corrects nowhere else;
        see `_to_correct`.
        """
        with _session() as session:
            found = self._rows_of_files(session, release)
            wanted = self._files_with_errors(session) & parses.keys()
            wanted |= self._to_correct(session)
        return wanted | {
            path for path, parse in parses.items() if not _are_of(parse, found.get(path))
        }

    def _to_correct(self, session: Any) -> set[str]:
        """Files with a DAG whose next run is not what a parse would write.

        - It is due and the DAG is paused, or cannot get a run now. Without catch-up the next one
          would otherwise have an old interval when it can.
        - The DAG counts as one with too many active runs, but has fewer: a run was deleted, or its
          state was set in the UI.
        - Its last run was deleted. A parse makes the scheduler create it again.
        """
        from airflow._shared.timezones import timezone
        from airflow.models.dag import DagModel as Dag
        from airflow.models.dagrun import DagRun
        from airflow.utils.types import DagRunType

        automated = (DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB)
        last_run = (
            select(func.max(DagRun.logical_date))
            .where(DagRun.dag_id == Dag.dag_id, DagRun.run_type.in_(automated))
            .scalar_subquery()
        )
        now = timezone.utcnow()
        is_due = or_(
            Dag.next_dagrun_create_after <= now - LATE,
            (Dag.is_paused | Dag.exceeds_max_non_backfill) & (Dag.next_dagrun_create_after <= now),
        )
        dags = session.execute(
            select(
                Dag.dag_id,
                Dag.relative_fileloc,
                Dag.next_dagrun_create_after,
                Dag.max_active_runs,
                Dag.exceeds_max_non_backfill,
                is_due.label("is_due"),
                last_run.label("last_run"),
            ).where(*self._live())
        ).all()
        full = [dag.dag_id for dag in dags if dag.exceeds_max_non_backfill]
        active = (
            DagRun.active_runs_of_dags(dag_ids=full, exclude_backfill=True, session=session)
            if full
            else {}
        )
        wanted, refreshed, last_runs = set(), {}, {}
        for dag in dags:
            if dag.is_due:
                # With catch-up, a parse does not change the time: once for each time is enough.
                refreshed[dag.dag_id] = dag.next_dagrun_create_after
                if self._refreshed.get(dag.dag_id) != dag.next_dagrun_create_after:
                    wanted.add(dag.relative_fileloc)
            if dag.exceeds_max_non_backfill and active.get(dag.dag_id, 0) < (
                dag.max_active_runs or 0
            ):
                wanted.add(dag.relative_fileloc)
            if dag.last_run:
                last_runs[dag.dag_id] = dag.last_run
            former = self._last_runs.get(dag.dag_id)
            if former and (not dag.last_run or dag.last_run < former):
                wanted.add(dag.relative_fileloc)
        self._refreshed, self._last_runs = refreshed, last_runs
        return wanted

    def _rows_of_files(self, session: Any, release: str | None = None) -> dict[str, list[Any]]:
        """By file, its DAGs; None for one that was not recorded as a whole, or in this release."""
        from airflow.models.dag import DagModel

        recorded = {row.dag_id: row for row in session.execute(self._versions())}
        rows: dict[str, list[Any]] = defaultdict(list)
        live = select(DagModel.dag_id, DagModel.relative_fileloc).where(*self._live())
        for dag_id, path in session.execute(live):
            row = recorded.get(dag_id)
            rows[path].append(row if row and release in (None, row.bundle_version) else None)
        return rows

    def _versions(self) -> Any:
        """The DAGs that can run, and whose latest version is of their release, with that one."""
        from airflow.models.dag import DagModel
        from airflow.models.dag_version import DagVersion
        from airflow.models.dagcode import DagCode
        from airflow.models.serialized_dag import SerializedDagModel

        latest = (
            select(DagVersion.version_number)
            .where(DagVersion.dag_id == DagModel.dag_id)
            .order_by(DagVersion.version_number.desc())
            .limit(1)
            .correlate(DagModel)
            .scalar_subquery()
        )
        serialized = SerializedDagModel.dag_version_id == DagVersion.id
        return (
            select(
                DagModel.dag_id,
                DagModel.relative_fileloc,
                DagModel.bundle_version,
                DagModel.last_parsed_time,
                DagVersion.id,
                DagVersion.version_data,
            )
            .join(
                DagVersion,
                (DagVersion.dag_id == DagModel.dag_id) & (DagVersion.version_number == latest),
            )
            .where(
                *self._live(),
                DagVersion.bundle_name == self._bundle_name,
                DagVersion.bundle_version == DagModel.bundle_version,
                select(SerializedDagModel.id).where(serialized).exists(),
                select(DagCode.id).where(DagCode.dag_version_id == DagVersion.id).exists(),
            )
        )

    def _files_with_errors(self, session: Any) -> set[str]:
        """Files that Airflow shows an import error of, also where their DAGs continue to run."""
        from airflow.models.errors import ParseImportError as Error

        rows = session.execute(
            select(Error.filename, Error.stacktrace).where(Error.bundle_name == self._bundle_name)
        )
        return {path for path, trace in rows if split(trace)[0]}

    def _live(self) -> tuple[Any, ...]:
        from airflow.models.dag import DagModel

        return (
            DagModel.bundle_name == self._bundle_name,
            DagModel.is_stale.is_(False),
            DagModel.has_import_errors.is_(False),
        )


def _by_file(found: Iterable[Any]) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in found:
        rows[row.relative_fileloc].append(row)
    return rows


def _are_of(parse: Parse, rows: list[Any] | None) -> bool:
    """Whether this parse wrote these DAGs of a file."""
    return _only(rows) == parse if rows else parse.dags == 0


def _only(rows: list[Any]) -> Parse | None:
    """The parse that wrote all DAGs of a file; None if there are several, or DAGs are missing."""
    parses = {Parse.from_version_data(row.version_data) if row else None for row in rows}
    parse = next(iter(parses)) if len(parses) == 1 else None
    return parse if parse and parse.dags == len(rows) else None


@contextmanager
def _session() -> Iterator[Any]:
    """A session that gives up when the database does not respond."""
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
            session.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        yield session
