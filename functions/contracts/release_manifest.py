"""The format of a DAG release: written by the publisher, read by the DAG bundle in the image.

A *manifest* lists the files of a release with their hashes and sizes. A release never changes. The
*pointer* names the current release. Publishing and rolling back are one atomic write of the
pointer. `release_pack` defines how releases are stored in S3.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

SCHEMA = 1

# A release id becomes a directory name and an Airflow bundle version.
_RELEASE_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{10}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")

# The limits of a Linux file system.
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255


class ReleaseFormatError(ValueError):
    """The bytes are not a manifest or pointer that this version understands."""


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a release. The fields after the size save the publisher reading the file again.

    `etag` is S3's ETag of the content, `dags` maps the DAGs found in it to lines. `checked` is
    false for a file that has a problem and that Airflow does not parse.
    """

    sha256: str
    size: int
    etag: str = ""
    checked: bool = True
    dags: Mapping[str, int] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"sha256": self.sha256, "size": self.size}
        if self.etag:
            document["etag"] = self.etag
        if not self.checked:
            document["checked"] = False
        if self.dags:
            document["dags"] = dict(self.dags)
        return document


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A file that was uploaded but is not part of the release, and why.

    `path` is what the user calls it, which need not be a valid path: display it, never open it.
    `kept` is the release whose version of the file this release contains instead, if any. `etag`
    and `dags` save the publisher reading the file again.
    """

    path: str
    reason: str
    line: int | None = None
    kept: str = ""
    etag: str = ""
    dags: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{place}: {self.reason}; {self.consequence}"

    @property
    def consequence(self) -> str:
        if self.kept:
            return f"the file's version of release {self.kept} stays live"
        return "the file is not in the release"

    def as_document(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value or key == "reason"}


@dataclass(frozen=True, slots=True)
class Archive:
    """An object that contains most of a release's files; `size` is their size uncompressed."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ReleaseManifest:
    """All files of one release, by their path relative to the DAGs folder.

    Files that the archive lacks travel with the manifest. `exclusions` are files that were uploaded
    with the others but stay out. The rest is the publisher's memory, so that it need not read a
    file to look at another: `ignore_files` are the texts of .airflowignore files, `imports` the
    packages that each file asks for, by line, `queues` the queues that its tasks ask for, and
    `executors` the executors that they name. `scripts` are the Python files in which Airflow looks
    for no DAG, each with its problem if it does not compile. `checks` is the version of the checks
    that found all this.
    """

    release: str
    files: Mapping[str, ReleaseFile]
    archive: Archive | None = None
    ignore_files: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    scripts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    queues: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    executors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    checks: int = 1

    @property
    def content_hash(self) -> str:
        """Of the files and of what is said about the files that stay out."""
        hashes = {path: file.sha256 for path, file in self.files.items()}
        if self.exclusions:
            # No file has this name: a path cannot contain a null byte.
            hashes["\0excluded"] = content_hash({str(each): "" for each in self.exclusions})
        return content_hash(hashes)

    def as_document(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "release": self.release,
            "archive": asdict(self.archive) if self.archive else None,
            "ignore_files": dict(self.ignore_files),
            "imports": {path: dict(names) for path, names in sorted(self.imports.items())},
            "queues": {path: dict(names) for path, names in sorted(self.queues.items())},
            "executors": {path: dict(names) for path, names in sorted(self.executors.items())},
            "exclusions": [each.as_document() for each in self.exclusions],
            "scripts": dict(sorted(self.scripts.items())),
            "checks": self.checks,
            "files": {path: file.as_document() for path, file in sorted(self.files.items())},
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "ReleaseManifest":
        _check_schema(document, "manifest")
        try:
            archive = document["archive"]
            manifest = cls(
                release=document["release"],
                files={path: ReleaseFile(**entry) for path, entry in document["files"].items()},
                archive=Archive(**archive) if archive else None,
                ignore_files=dict(document["ignore_files"]),
                # Earlier publishers did not write them.
                imports=dict(document.get("imports", {})),
                exclusions=tuple(Exclusion(**each) for each in document.get("exclusions", ())),
                scripts=dict(document.get("scripts", {})),
                queues=dict(document.get("queues", {})),
                executors=dict(document.get("executors", {})),
                checks=int(document.get("checks", 1)),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ReleaseFormatError(
                f"The manifest's fields are not as expected: {error}"
            ) from error
        manifest._check()
        return manifest

    def _check(self) -> None:
        """A reader writes files at these paths, so it does not trust the writer."""
        check_release_id(self.release)
        if self.archive:
            check_release_id(self.archive.name)
        problems = path_problems(self.files)
        if problems:
            path, problem = next(iter(problems.items()))
            raise ReleaseFormatError(f"The manifest contains the path {path!r}, which {problem}")
        for path, file in self.files.items():
            if not (isinstance(file.sha256, str) and _SHA256.fullmatch(file.sha256)):
                raise ReleaseFormatError(f"The manifest's hash of {path!r} is not a SHA-256")
            if not isinstance(file.size, int) or file.size < 0:
                raise ReleaseFormatError(f"The manifest's size of {path!r} is not a size")


@dataclass(frozen=True, slots=True)
class ReleasePointer:
    """Which release is current, since when (ISO 8601), and why.

    `folder` and `upload` identify the DAGs folder and the newest zip file at that moment: anything
    that differs from them is new. With `hold` nothing new is published. Releases in `retiring` may
    already be deleted and must not become current again. `origin` is what a pipeline said about the
    zip file, such as its commit.
    """

    release: str
    published_at: str
    by: str = ""
    reason: str = ""
    folder: str = ""
    upload: str = ""
    hold: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    retiring: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return json.dumps({"schema": SCHEMA, **asdict(self)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ReleasePointer":
        document = _document(data, "pointer")
        known = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        try:
            pointer = cls(**{**known, "retiring": tuple(known.get("retiring", ()))})
        except TypeError as error:
            raise ReleaseFormatError(f"The pointer is incomplete: {error}") from error
        check_release_id(pointer.release)
        return pointer


def manifest_key(release_prefix: str, release: str) -> str:
    return f"{release_prefix}{release}.gz"


def archive_key(release_prefix: str, name: str) -> str:
    return f"{release_prefix}archives/{name}.gz"


def pointer_key(release_prefix: str) -> str:
    return f"{release_prefix}current.json"


def release_id(moment: datetime, content: str) -> str:
    """An id that sorts by time and identifies the content, such as 20260102T030405Z-0123456789."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{content[:10]}"


def check_release_id(release: object) -> None:
    if not (isinstance(release, str) and _RELEASE_ID.fullmatch(release)):
        raise ReleaseFormatError(f"{release!r} is not a release id")


def content_hash(hashes: Mapping[str, str]) -> str:
    """One hash for a whole release, from the hashes of its files by path."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def path_problems(paths: Mapping[str, object]) -> dict[str, str]:
    """The paths that cannot be files of one release, each with the reason.

    A path must not be both a file and a folder: S3 allows `a` beside `a/b.py`, a file system does
    not.
    """
    problems = {}
    for path in paths:
        problem = path_problem(path)
        if problem is None and (folder := _folder_that_is_a_file(path, paths)):
            problem = f"is in {folder!r}, which is also a file"
        if problem:
            problems[path] = problem
    return problems


def printable(text: str) -> str:
    """The text with control characters and lone surrogates escaped, for logs and a database."""
    escaped = _CONTROL_CHARACTER.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    return escaped.encode("utf-8", "backslashreplace").decode()


def path_problem(path: str) -> str | None:
    """Why no file of a release can have this path, whatever the others are."""
    if path.startswith("/"):
        return "starts with a slash"
    if "\\" in path:
        return "contains a backslash"
    if _CONTROL_CHARACTER.search(path):
        return "contains a control character"
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if length > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    for name in path.split("/"):
        if not name:
            return "contains an empty folder or file name"
        if name in (".", ".."):
            return f"contains {name!r}"
        if len(name.encode()) > MAX_NAME_BYTES:
            return f"contains a name longer than {MAX_NAME_BYTES} bytes"
    return None


def _folder_that_is_a_file(path: str, paths: Mapping[str, object]) -> str | None:
    names = path.split("/")
    folders = ("/".join(names[:depth]) for depth in range(1, len(names)))
    return next((folder for folder in folders if folder in paths), None)


def _document(data: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ReleaseFormatError(f"The {what} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ReleaseFormatError(f"The {what} is not a JSON object")
    _check_schema(document, what)
    return document


def _check_schema(document: Mapping[str, Any], what: str) -> None:
    if document.get("schema") != SCHEMA:
        raise ReleaseFormatError(
            f"The {what} has schema {document.get('schema')!r}; this version reads {SCHEMA}"
        )
