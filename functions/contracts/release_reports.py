"""Reports about releases, stored beside the releases in S3.

The dag-processor in the image writes what only Airflow knows, and the publisher reads it. Such a
report was true when it was written; S3 has the date. The reader decides whether that is recent
enough. The publisher writes which files stay out of a release, and the dag-processor reads that.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from .release_manifest import Exclusion, ReleaseFormatError, check_release_id

SCHEMA = 1
IMPORT_ERRORS_SUFFIX = ".import-errors.json"


def in_use_key(release_prefix: str) -> str:
    return f"{release_prefix}in-use.json"


def environment_key(release_prefix: str) -> str:
    return f"{release_prefix}environment.json"


def import_errors_key(release_prefix: str, release: str) -> str:
    return f"{release_prefix}{release}{IMPORT_ERRORS_SUFFIX}"


def exclusions_key(release_prefix: str, release: str) -> str:
    return f"{release_prefix}{release}.exclusions.json"


@dataclass(frozen=True, slots=True)
class ExclusionReport:
    """The files that were uploaded but are not part of a release.

    The dag-processor shows them as import errors. A release without such files has no report.
    """

    release: str
    exclusions: tuple[Exclusion, ...]

    def to_bytes(self) -> bytes:
        exclusions = [
            {"path": each.path, "line": each.line, "reason": each.reason, "kept": each.kept or None}
            for each in self.exclusions
        ]
        document = {"schema": SCHEMA, "release": self.release, "exclusions": exclusions}
        return json.dumps(document, indent=2).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ExclusionReport":
        document = _document(data, "report of files that stay out")
        try:
            exclusions = tuple(
                Exclusion(each["path"], each["reason"], each["line"], each["kept"] or "")
                for each in document["exclusions"]
            )
            return cls(document["release"], exclusions)
        except (KeyError, TypeError) as error:
            raise ReleaseFormatError(f"The report of files that stay out: {error}") from error


@dataclass(frozen=True, slots=True)
class InUseReport:
    """Each release that Airflow's database refers to, with the time at which its last run ended.

    None means that the release is needed now: a run has not ended, or new runs of a DAG would use
    it. The database does not refer to releases that are not listed.
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
        """ReleaseFormatError unless all of it is valid: from half a report too much is removed."""
        releases = _document(data, "report of releases in use").get("releases")
        if not isinstance(releases, dict):
            raise ReleaseFormatError("The report of releases in use has no releases")
        try:
            return cls({name: _moment(moment) for name, moment in releases.items()})
        except (TypeError, ValueError) as error:
            raise ReleaseFormatError(f"The report of releases in use: {error}") from error


@dataclass(frozen=True, slots=True)
class EnvironmentReport:
    """The names that can be imported where DAGs are parsed.

    Top-level names, and the providers' packages with their dots (`airflow.providers.amazon`).
    """

    packages: frozenset[str]

    def to_bytes(self) -> bytes:
        return json.dumps({"schema": SCHEMA, "packages": sorted(self.packages)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "EnvironmentReport":
        packages = _document(data, "report of the environment").get("packages")
        if not isinstance(packages, list) or not all(isinstance(p, str) for p in packages):
            raise ReleaseFormatError("The report of the environment has no packages")
        return cls(frozenset(packages))


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """A file that Airflow cannot import. `error` is the exception's type, `message` the rest."""

    path: str
    error: str
    message: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ImportErrorReport:
    """The files of a release that Airflow cannot import: how many, and the first of them.

    `announced` is their number at the last notification; `announce` asks for a notification now.
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
        raise ValueError(f"{value!r} has no time zone")
    return moment


def _document(data: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ReleaseFormatError(f"The {what} is not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ReleaseFormatError(f"The {what} has a schema that this version does not read")
    return document
