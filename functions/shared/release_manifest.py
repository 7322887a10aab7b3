"""The format of a DAG release: written by the publisher, read by the DAG bundle in the image.

This file is the format's only definition. The image's package links to it, so it uses nothing but
the standard library.

A *manifest* says which bytes a release consists of: for every file the S3 object and version that
holds it, with its hash and size. A release's files never change. The *pointer* names the release
that is current; moving it, atomically, is the whole of publishing and of rolling back.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

SCHEMA = 1

# A release id becomes a directory name and an Airflow bundle version.
_RELEASE_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{10}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# What a Linux file system takes.
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255


class ReleaseFormatError(ValueError):
    """The bytes are no manifest or pointer that this version understands."""


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a release: which object version holds it and what it must hash to."""

    key: str
    version_id: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ReleaseManifest:
    """All files of one release, by their path relative to the DAGs folder."""

    release: str
    files: Mapping[str, ReleaseFile]

    @property
    def content_hash(self) -> str:
        return content_hash({path: file.sha256 for path, file in self.files.items()})

    def to_bytes(self) -> bytes:
        document = {
            "schema": SCHEMA,
            "release": self.release,
            "files": {path: asdict(file) for path, file in sorted(self.files.items())},
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        # No time stamp in the archive: the same manifest is always the same bytes.
        return gzip.compress(text.encode(), mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes) -> "ReleaseManifest":
        try:
            text = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise ReleaseFormatError(f"The manifest is not a whole gzip file: {error}") from error
        document = _document(text, "manifest")
        try:
            files = {path: ReleaseFile(**entry) for path, entry in document["files"].items()}
            manifest = cls(release=document["release"], files=files)
        except (KeyError, TypeError, AttributeError) as error:
            raise ReleaseFormatError(
                f"The manifest's fields are not as expected: {error}"
            ) from error
        manifest._check()
        return manifest

    def _check(self) -> None:
        """A reader writes files at these paths, so it must not have to trust the writer."""
        check_release_id(self.release)
        problems = path_problems(self.files)
        if problems:
            path, problem = next(iter(problems.items()))
            raise ReleaseFormatError(f"The manifest holds the path {path!r}, which {problem}")
        for path, file in self.files.items():
            if not (isinstance(file.sha256, str) and _SHA256.fullmatch(file.sha256)):
                raise ReleaseFormatError(f"The manifest's hash of {path!r} is no SHA-256")
            if not isinstance(file.size, int) or file.size < 0:
                raise ReleaseFormatError(f"The manifest's size of {path!r} is no size")


@dataclass(frozen=True, slots=True)
class ReleasePointer:
    """Which release is current, and since when (ISO 8601)."""

    release: str
    published_at: str

    def to_bytes(self) -> bytes:
        return json.dumps({"schema": SCHEMA, **asdict(self)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ReleasePointer":
        document = _document(data, "pointer")
        try:
            pointer = cls(release=document["release"], published_at=document["published_at"])
        except KeyError as error:
            raise ReleaseFormatError(f"The pointer lacks {error}") from error
        check_release_id(pointer.release)
        return pointer


def manifest_key(release_prefix: str, release: str) -> str:
    return f"{release_prefix}{release}.json.gz"


def pointer_key(release_prefix: str) -> str:
    return f"{release_prefix}current.json"


def release_id(moment: datetime, content: str) -> str:
    """An id that sorts by time and tells contents apart, such as 20260102T030405Z-0123456789."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{content[:10]}"


def check_release_id(release: object) -> None:
    if not (isinstance(release, str) and _RELEASE_ID.fullmatch(release)):
        raise ReleaseFormatError(f"{release!r} is no release id")


def content_hash(hashes: Mapping[str, str]) -> str:
    """One hash for a whole release, from the hash of each of its files by path."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def path_problems(paths: Mapping[str, object]) -> dict[str, str]:
    """The paths that cannot be files of one release, each with the reason.

    Besides each path's own form it finds a path that is both a file and a folder: S3 allows `a`
    beside `a/b.py`, a file system does not.
    """
    problems = {}
    for path in paths:
        problem = _path_problem(path)
        if problem is None and (folder := _folder_that_is_a_file(path, paths)):
            problem = f"lies in {folder!r}, which is a file as well"
        if problem:
            problems[path] = problem
    return problems


def _path_problem(path: str) -> str | None:
    if path.startswith("/"):
        return "starts with a slash"
    if "\\" in path:
        return "holds a backslash"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "holds a control character"
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "is no valid Unicode"
    if length > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    for name in path.split("/"):
        if not name:
            return "holds an empty folder or file name"
        if name in (".", ".."):
            return f"holds {name!r}"
        if len(name.encode()) > MAX_NAME_BYTES:
            return f"holds a name longer than {MAX_NAME_BYTES} bytes"
    return None


def _folder_that_is_a_file(path: str, paths: Mapping[str, object]) -> str | None:
    names = path.split("/")
    folders = ("/".join(names[:depth]) for depth in range(1, len(names)))
    return next((folder for folder in folders if folder in paths), None)


def _document(data: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ReleaseFormatError(f"The {what} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ReleaseFormatError(f"The {what} is no JSON object")
    if document.get("schema") != SCHEMA:
        raise ReleaseFormatError(
            f"The {what} has schema {document.get('schema')!r}; this version reads {SCHEMA}"
        )
    return document
