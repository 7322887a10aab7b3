"""What Airflow knows of releases and the publisher does not: reports that lie beside them in S3.

Written by the dag-processor in the image, whose package links to this file, so it uses nothing but
the standard library. Reports say what was true when they were written, which S3 dates; whoever
reads one decides whether that is recent enough.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from .release_manifest import ReleaseFormatError, check_release_id

SCHEMA = 1
IMPORT_ERRORS_SUFFIX = ".import-errors.json"


def in_use_key(release_prefix: str) -> str:
    return f"{release_prefix}in-use.json"


def environment_key(release_prefix: str) -> str:
    return f"{release_prefix}environment.json"


def import_errors_key(release_prefix: str, release: str) -> str:
    return f"{release_prefix}{release}{IMPORT_ERRORS_SUFFIX}"


@dataclass(frozen=True, slots=True)
class InUseReport:
    """Each release that Airflow's database names, with when its last run ended.

    None instead of a moment says that it is needed now: by a run that has not ended, or because new
    runs of a DAG would take it. A release that is not named is named nowhere.
    """

    releases: Mapping[str, datetime | None]

    def to_bytes(self) -> bytes:
        document = {
            release: moment.isoformat(timespec="seconds") if moment else None
            for release, moment in sorted(self.releases.items())
        }
        return json.dumps({"schema": SCHEMA, "releases": document}, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "InUseReport":
        """ReleaseFormatError unless all of it is understood: half a report removes too much."""
        releases = _document(data, "report of releases in use").get("releases")
        if not isinstance(releases, dict):
            raise ReleaseFormatError("The report of releases in use names no releases")
        try:
            return cls({name: _moment(moment) for name, moment in releases.items()})
        except (TypeError, ValueError) as error:
            raise ReleaseFormatError(f"The report of releases in use: {error}") from error


@dataclass(frozen=True, slots=True)
class EnvironmentReport:
    """The top-level names that can be imported where DAGs are parsed."""

    packages: frozenset[str]

    def to_bytes(self) -> bytes:
        return json.dumps({"schema": SCHEMA, "packages": sorted(self.packages)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "EnvironmentReport":
        packages = _document(data, "report of the environment").get("packages")
        if not isinstance(packages, list) or not all(isinstance(p, str) for p in packages):
            raise ReleaseFormatError("The report of the environment names no packages")
        return cls(frozenset(packages))


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """A file that Airflow could not import. `error` is the exception's type, `message` the rest."""

    path: str
    error: str
    message: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ImportErrorReport:
    """What Airflow cannot import of a release: how many files, and the first of them.

    `announced` is how many there were when somebody was last told; `announce` says to tell now.
    """

    release: str
    total: int
    failures: tuple[ImportFailure, ...] = ()
    announced: int = 0
    announce: bool = False

    def to_bytes(self) -> bytes:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ImportErrorReport":
        document = _document(data, "report of import errors")
        try:
            report = cls(
                release=document["release"],
                total=int(document["total"]),
                failures=tuple(ImportFailure(**each) for each in document["failures"]),
                announced=int(document["announced"]),
                announce=bool(document["announce"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ReleaseFormatError(f"The report of import errors: {error}") from error
        check_release_id(report.release)
        return report


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} does not say its time zone")
    return moment


def _document(data: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ReleaseFormatError(f"The {what} is no JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ReleaseFormatError(f"The {what} is of no schema that this version reads")
    return document
