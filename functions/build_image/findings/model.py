"""The findings of a scan."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# The most severe first. ECR has UNDEFINED, and Inspector UNTRIAGED, for what nobody has rated yet:
# new findings of Debian often start so, and both are below every severity that can be refused.
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL")

# Statuses that are not ECR's own.
NOT_FOUND = "NOT_FOUND"
UNREADABLE = "UNREADABLE"

# Of basic scanning, and of Inspector where it scans on push or continuously. Both of Inspector's
# statuses come before the first result, with an empty list and no time of completion.
_WITH_RESULT = ("COMPLETE", "ACTIVE")
_UNFINISHED = ("PENDING", "IN_PROGRESS", NOT_FOUND, UNREADABLE)


@dataclass(frozen=True, order=True)
class Package:
    """A package with a vulnerability; fields that the scan does not name are empty."""

    name: str
    version: str = ""
    fixed_in: str = ""

    def __str__(self) -> str:
        named = f"{self.name} {self.version}".strip() or "a package without a name"
        return f"{named} (fixed in {self.fixed_in})" if self.fixed_in else named


@dataclass(frozen=True)
class Finding:
    """A vulnerability and the packages that have it."""

    id: str
    severity: str
    packages: tuple[Package, ...] = ()

    def __str__(self) -> str:
        packages = ", ".join(str(package) for package in self.packages)
        return f"{self.id} ({self.severity})" + (f": {packages}" if packages else "")


@dataclass(frozen=True)
class Scan:
    """The last scan of an image."""

    # ECR's word, or one of the two above.
    status: str
    description: str = ""
    # Whether it names a time of completion.
    has_result: bool = False
    findings: tuple[Finding, ...] = ()
    # ECR's own number of findings by severity.
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether the findings are those of a whole scan."""
        return self.status in _WITH_RESULT and (self.has_result or bool(self.findings))

    @property
    def may_finish(self) -> bool:
        """Whether waiting can help."""
        return not self.is_finished and self.status in (*_UNFINISHED, *_WITH_RESULT)

    def of_at_least(self, severity: str) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if _rank(one.severity) <= _rank(severity))

    def number_of_at_least(self, severity: str) -> int:
        """As ECR counts them, whether it lists them or not."""
        return sum(count for name, count in self.counts.items() if _rank(name) <= _rank(severity))


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each id, the most severe first: a scan names an id once for each package."""
    packages: dict[str, set[Package]] = {}
    severities: dict[str, str] = {}
    for finding in findings:
        packages.setdefault(finding.id, set()).update(finding.packages)
        former = severities.setdefault(finding.id, finding.severity)
        severities[finding.id] = min(former, finding.severity, key=_rank)
    found = [
        Finding(id_, severities[id_], tuple(sorted(packages[id_]))) for id_ in sorted(packages)
    ]
    return tuple(sorted(found, key=lambda finding: _rank(finding.severity)))


def summary(findings: Iterable[Finding]) -> str:
    """The number of findings of each severity: CRITICAL 1, HIGH 3."""
    counts = Counter(finding.severity for finding in findings)
    ordered = sorted(counts.items(), key=lambda pair: (_rank(pair[0]), pair[0]))
    return ", ".join(f"{severity} {count}" for severity, count in ordered) or "none"


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
