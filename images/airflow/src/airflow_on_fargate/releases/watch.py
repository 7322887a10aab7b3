"""The dag-processor reports what only Airflow knows about releases, in objects beside them.

It also reads one report, which files stay out of the release, and shows them as import errors.

The reports say which releases runs still need, so that the publisher removes only others; which
files of the current release cannot be imported; and which packages can be imported. They are made
after each refresh, in the dag-processor's own loop: a thread would not survive in the processes
that it forks, but its locks would. Airflow's listener for import errors does not help: it does not
report resolved errors, and with any listener Airflow refuses DAGs whose tasks end from triggers.
"""

import importlib.metadata
import logging
import os
import pkgutil
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from airflow_on_fargate.contracts.dag_bucket import RELEASE_PREFIX
from airflow_on_fargate.contracts.release_reports import (
    EnvironmentReport,
    ExclusionReport,
    ImportErrorReport,
    ImportFailure,
    InUseReport,
    environment_key,
    exclusions_key,
    import_errors_key,
    in_use_key,
)
from airflow_on_fargate.releases.ports import Database, ReportStore

log = logging.getLogger(__name__)

SECONDS_BETWEEN_USE_REPORTS: Final = 300.0
# Between reports of import errors after the first: a thousand broken files make few reports.
SECONDS_BETWEEN_ERROR_REPORTS: Final = 30.0
SECONDS_AFTER_A_FAILURE: Final = 60.0

_NAMED_FAILURES = 100
_MESSAGE_CHARACTERS = 300
_FRAME = re.compile(r'\s+File "(?P<file>.+)", line (?P<line>\d+)')
_EXCEPTION = re.compile(r"(?P<error>[A-Za-z_][\w.]*)(?::\s*(?P<message>.*))?$")
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^\s/@]+@")


class ReleaseWatch:
    def __init__(
        self,
        store: ReportStore,
        database: Database,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._not_before: dict[str, float] = {}
        self._release: str | None = None
        self._since = now()
        self._known: dict[str, ImportFailure] = {}
        self._announced = 0
        self._written = float("-inf")
        # The release whose exclusions are shown.
        self._excluding: str | None = None
        self._exclusions: dict[str, str] = {}

    def look(self, release: str | None) -> None:
        """Write the reports that are due for the release that is served. Never raises."""
        self._try("environment", self._report_environment, float("inf"))
        self._try("in use", self._report_use, SECONDS_BETWEEN_USE_REPORTS)
        if release:
            self._try("files that stay out", lambda: self._show_exclusions(release), 0.0)
            self._try("import errors", lambda: self._report_errors(release), 0.0)

    def _try(self, name: str, report: Callable[[], None], pause: float) -> None:
        if self._monotonic() < self._not_before.get(name, 0.0):
            return
        try:
            report()
        except Exception:
            log.exception("Could not report on releases (%s); trying again in a minute", name)
            pause = SECONDS_AFTER_A_FAILURE
        self._not_before[name] = self._monotonic() + pause

    def _report_environment(self) -> None:
        key = environment_key(self._store.prefix)
        data = EnvironmentReport(importable_packages()).to_bytes()
        if self._store.report(key) != data:
            self._store.put_report(key, data)

    def _report_use(self) -> None:
        report = InUseReport(self._database.releases_in_use())
        # Always written, because its date matters.
        self._store.put_report(in_use_key(self._store.prefix), report.to_bytes())

    def _show_exclusions(self, release: str) -> None:
        if release != self._excluding:
            data = self._store.report(exclusions_key(self._store.prefix, release))
            exclusions = ExclusionReport.from_bytes(data).exclusions if data else ()
            self._exclusions = {each.path: str(each) for each in exclusions}
        elif not self._exclusions:
            return
        self._database.show_exclusions(self._exclusions)
        self._excluding = release

    def _report_errors(self, release: str) -> None:
        if release != self._release:
            self._follow(release)
        found = {
            each.path: failure(each.path, each.stacktrace)
            for each in self._database.import_errors()
            # Earlier records belong to another release, until the file is parsed again.
            if each.at >= self._since or each.path in self._known
        }
        lately = self._monotonic() - self._written < SECONDS_BETWEEN_ERROR_REPORTS
        if found == self._known or (lately and found and self._known):
            return
        announce = len(found) > 2 * self._announced
        announced = len(found) if announce or not found else self._announced
        failures = tuple(found[path] for path in sorted(found))
        report = ImportErrorReport(
            release, len(found), failures[:_NAMED_FAILURES], announced, announce
        )
        self._store.put_report(import_errors_key(self._store.prefix, release), report.to_bytes())
        self._known, self._announced, self._written = found, announced, self._monotonic()
        log.warning("DAG release %s: %d files cannot be imported", release, len(found))

    def _follow(self, release: str) -> None:
        """Another release, or the first one after a start: continue with its last report."""
        data = self._store.report(import_errors_key(self._store.prefix, release))
        former = ImportErrorReport.from_bytes(data) if data else None
        self._known = {each.path: each for each in former.failures} if former else {}
        self._announced = former.announced if former else 0
        self._written = float("-inf")
        self._release, self._since = release, self._now()


def failure(path: str, stacktrace: str) -> ImportFailure:
    """The useful part of a stack trace: the line in the file, the exception and its message."""
    line, after_frames = None, 0
    lines = stacktrace.rstrip().splitlines() or [""]
    for number, text in enumerate(lines):
        if frame := _FRAME.match(text):
            after_frames = number
            if frame["file"].endswith(f"/{path}"):
                line = int(frame["line"])
    last = next((text for text in lines[after_frames:] if not text.startswith(" ")), lines[-1])
    exception = _EXCEPTION.match(last)
    error = exception["error"] if exception else "Exception"
    message = (exception["message"] or "") if exception else last
    message = _PASSWORD_IN_URL.sub("***@", message)[:_MESSAGE_CHARACTERS]
    return ImportFailure(path, error, message, line)


def importable_packages() -> frozenset[str]:
    """Top-level names, without the standard library's, and the packages of Airflow's providers."""
    names = {module.name for module in pkgutil.iter_modules()}
    names.update(importlib.metadata.packages_distributions())
    names -= sys.stdlib_module_names
    top_level = {name for name in names if name.isidentifier() and not name.startswith("_")}
    return frozenset(top_level | provider_packages())


def provider_packages() -> set[str]:
    """The package of each provider, such as `airflow.providers.amazon`."""
    entry_points = importlib.metadata.entry_points(group="apache_airflow_provider")
    return {entry.module.rpartition(".")[0] for entry in entry_points}


def install() -> None:
    """Look after each refresh of the bundle in this process."""

    from airflow_on_fargate.configuration import DAG_BUNDLE_NAME
    from airflow_on_fargate.releases import bundle
    from airflow_on_fargate.releases.store import S3ReleaseStore
    from airflow_on_fargate.releases.usage import AirflowDatabase

    bucket = os.environ.get("DAG_BUCKET_NAME")
    if bucket:
        store = S3ReleaseStore(bucket, RELEASE_PREFIX)
        bundle.refreshed.append(ReleaseWatch(store, AirflowDatabase(DAG_BUNDLE_NAME)).look)
