"""What Airflow's database says about releases: which are in use, and what cannot be imported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text

from airflow_on_fargate.import_error_rows import FILENAME_CHARACTERS, LEFT_OUT, joined, split
from airflow_on_fargate.releases.ports import RecordedError

# These queries run in the dag-processor's loop and must not delay it.
_STATEMENT_TIMEOUT = "10s"
_MOST_ERRORS = 1000


class AirflowDatabase:
    def __init__(self, bundle_name: str) -> None:
        self._bundle_name = bundle_name

    def releases_in_use(self) -> dict[str, datetime | None]:
        """Each release in use, with the end of its last run; None if it is needed now."""
        from airflow.models.dag import DagModel
        from airflow.models.dag_version import DagVersion
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance

        unfinished = DagRun.end_date.is_(None)
        last_end = func.max(DagRun.end_date)
        open_runs = func.count() - func.count(DagRun.end_date)
        # The run's own release decides. Callbacks, e-mails and the clearing of a run may use the
        # release that its DAG version was last parsed from, which can be a later one.
        by_run = select(DagRun.bundle_version, last_end, open_runs).group_by(DagRun.bundle_version)
        by_version = (
            select(DagVersion.bundle_version, last_end, open_runs)
            .join(DagRun, DagRun.created_dag_version_id == DagVersion.id)
            .group_by(DagVersion.bundle_version)
        )
        now = [
            # New runs use the release that their DAG was last parsed from.
            select(DagModel.bundle_version).where(DagModel.is_stale.is_(False)).distinct(),
            select(DagVersion.bundle_version)
            .join(TaskInstance, TaskInstance.dag_version_id == DagVersion.id)
            .join(
                DagRun,
                (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id),
            )
            .where(unfinished)
            .distinct(),
        ]
        releases: dict[str, datetime | None] = {}
        with _session() as session:
            for query in (by_run, by_version):
                for release, ended, still_open in session.execute(query):
                    if release:
                        _note(releases, release, None if still_open else ended)
            for query in now:
                for release in session.scalars(query):
                    if release:
                        releases[release] = None
        return releases

    def import_errors(self) -> list[RecordedError]:
        from airflow.models.errors import ParseImportError

        query = (
            select(
                ParseImportError.filename, ParseImportError.timestamp, ParseImportError.stacktrace
            )
            .where(ParseImportError.bundle_name == self._bundle_name)
            .where(~func.coalesce(ParseImportError.stacktrace, "").startswith(LEFT_OUT))
            .order_by(ParseImportError.filename)
            .limit(_MOST_ERRORS)
        )
        with _session() as session:
            return [
                RecordedError(path, at, split(trace)[0])
                for path, at, trace in session.execute(query)
            ]

    def show_exclusions(self, texts: Mapping[str, str]) -> None:
        """Airflow's own parses and scans leave these rows where they are: see the patch
        `shown_exclusions`. DAGs are not marked as broken: those of a version that stayed live run.
        """
        from airflow._shared.timezones import timezone
        from airflow.models.errors import ParseImportError

        wanted = {path[:FILENAME_CHARACTERS]: text for path, text in texts.items()}
        of_bundle = ParseImportError.bundle_name == self._bundle_name
        with _session() as session:
            shown = ParseImportError.stacktrace.contains(LEFT_OUT, autoescape=True)
            concerned = shown | ParseImportError.filename.in_(wanted)
            for row in session.scalars(select(ParseImportError).where(of_bundle, concerned)):
                # What Airflow itself says about the version that is live comes first.
                airflow, _ = split(row.stacktrace)
                text = joined(airflow, wanted.pop(row.filename, ""))
                if not text:
                    session.delete(row)
                elif row.stacktrace != text:
                    row.stacktrace = text
                    # The time belongs to what Airflow says.
                    row.timestamp = row.timestamp if airflow else timezone.utcnow()
            session.add_all(
                ParseImportError(
                    bundle_name=self._bundle_name,
                    filename=path,
                    stacktrace=joined("", text),
                    timestamp=timezone.utcnow(),
                )
                for path, text in wanted.items()
            )


def _note(releases: dict[str, datetime | None], release: str, ended: datetime | None) -> None:
    """The latest use counts; None means now, which is later than any time."""
    if release not in releases:
        releases[release] = ended
    known = releases[release]
    releases[release] = max(known, ended) if known and ended else None


@contextmanager
def _session() -> Iterator[Any]:
    from airflow.utils.session import create_session

    # Not the session that the dag-processor shares within its thread.
    with create_session(scoped=False) as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"SET LOCAL statement_timeout = '{_STATEMENT_TIMEOUT}'"))
        yield session
