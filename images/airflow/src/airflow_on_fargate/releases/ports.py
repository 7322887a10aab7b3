"""What `watch` needs from outside: Airflow's database, and a place for its reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class RecordedError:
    """A row of Airflow's table of import errors."""

    path: str
    at: datetime
    stacktrace: str


class Database(Protocol):
    def releases_in_use(self) -> Mapping[str, datetime | None]: ...

    def import_errors(self) -> Sequence[RecordedError]:
        """The first of them by path, bounded, without those of `show_exclusions`."""

    def show_exclusions(self, texts: Mapping[str, str]) -> None:
        """Make these the import errors of files that stay out of the release, by path."""


class ReportStore(Protocol):
    prefix: str

    def report(self, key: str) -> bytes | None: ...

    def put_report(self, key: str, data: bytes) -> None: ...
