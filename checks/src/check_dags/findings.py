"""What the checks say: findings with a file and a line, grouped by check."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """The words of SARIF. Only an error fails a check."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing to look at. `path` is relative to the project; empty if it is about no file."""

    rule: str
    message: str
    path: str = ""
    line: int | None = None
    level: Level = Level.ERROR
    # The text of the line, by which a baseline recognizes it where lines have moved.
    text: str = ""

    @property
    def place(self) -> str:
        if not self.path:
            return ""
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def __str__(self) -> str:
        place = f"{self.place}: " if self.path else ""
        return f"{place}{self.level}: {self.message} [{self.rule}]"


@dataclass(frozen=True)
class Case:
    """A part of a check that a report shows by itself: the import of a file, a test."""

    name: str
    seconds: float = 0.0
    failure: str = ""
    skipped: str = ""
    path: str = ""
    line: int | None = None


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check. `skipped` says why it did not run."""

    name: str
    summary: str = ""
    findings: Sequence[Finding] = ()
    cases: Sequence[Case] = ()
    skipped: str = ""
    seconds: float = 0.0

    @property
    def errors(self) -> list[Finding]:
        return [each for each in self.findings if each.level is Level.ERROR]

    @property
    def outcome(self) -> str:
        if self.skipped:
            return "skipped"
        return "failed" if self.errors else "passed"


@dataclass(frozen=True)
class Dag:
    """A DAG that Airflow found, with what the rules look at."""

    dag_id: str
    path: str
    line: int | None
    owner: str
    tags: Sequence[str]
    # The fewest retries of its tasks, and the tasks that have no more.
    retries: int | None
    least_retried: Sequence[str] = ()


@dataclass(frozen=True)
class Import:
    """The import of one DAG file."""

    path: str
    seconds: float
    peak_mib: float
    dags: Sequence[Dag] = ()


@dataclass
class Report:
    """Everything that the reports show."""

    folder: str
    results: list[CheckResult] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(each.errors for each in self.results)
