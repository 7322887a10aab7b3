"""A zip file as the source of a release. It may be malformed or hostile.

Nothing is unpacked to disk, and no name is used as a path. The limits bound what is read.
"""

import hashlib
import io
import stat
import struct
import zipfile
import zlib

from contracts.release_manifest import printable
from publish_dags.checks.limits import Limits
from publish_dags.checks.problems import Problem, RefusedError
from publish_dags.listing import is_no_file, listing_mark
from publish_dags.ports import SourceFile, SourceListing

_ENCRYPTED = 0x1
_NAMES_ARE_UTF8 = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CENTRAL_ENTRY = b"PK\x01\x02"

# What zipfile raises for malformed input.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError,
    NotImplementedError, RuntimeError, OverflowError, IndexError, KeyError,
)  # fmt: skip


class ZipSource:
    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._contents: dict[str, bytes] = {}
        self._problems: list[Problem] = []

    def list(self) -> SourceListing:
        """RefusedError with all reasons if the zip file is damaged, too large or ambiguous.

        Entries that are not files stay out; the release's paths are checked later.
        """
        # Opening creates an object for each entry: first check that there are not millions.
        if self._data.count(_CENTRAL_ENTRY) > 2 * self._limits.files + 1000:
            raise RefusedError([Problem("", f"more than {self._limits.files:,} files")])
        try:
            with zipfile.ZipFile(io.BytesIO(self._data)) as archive:
                self._contents = self._read_all(archive)
        except _BROKEN as error:
            raise RefusedError([Problem("", f"the zip file cannot be read: {error}")]) from error
        files = [
            SourceFile(path, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
            for path, data in sorted(self._contents.items())
        ]
        return SourceListing(files, listing_mark(files), problems=self._problems)

    def read(self, file: SourceFile) -> bytes:
        return self._contents[file.path]

    def _read_all(self, archive: zipfile.ZipFile) -> dict[str, bytes]:
        entries = [entry for entry in archive.infolist() if not _is_no_file(entry)]
        problems = [p for entry in entries if (p := _damage(entry))]
        seen: set[str] = set()
        for entry in entries:
            if entry.filename in seen:
                problems.append(Problem(printable(entry.filename), "is in the zip file twice"))
            seen.add(entry.filename)
        # The declared sizes: zipfile never returns more, and the checksum detects a wrong size.
        problems += self._limits.problems(
            [SourceFile(e.filename, "", e.file_size) for e in entries]
        )
        if problems:
            raise RefusedError(problems)
        contents = {}
        for entry in entries:
            if problem := _entry_problem(entry):
                self._problems.append(problem)
            else:
                contents[entry.filename] = archive.read(entry)
        return contents


def _is_no_file(entry: zipfile.ZipInfo) -> bool:
    return is_no_file(entry.filename, entry.file_size) or entry.filename.startswith("__MACOSX/")


def _damage(entry: zipfile.ZipInfo) -> Problem | None:
    """Why nothing of the zip file should be trusted, because this entry cannot be read."""
    name = printable(entry.filename)
    if entry.flag_bits & _ENCRYPTED:
        return Problem(name, "is encrypted")
    if entry.compress_type not in _METHODS:
        return Problem(name, "is compressed by another method than deflate")
    return None


def _entry_problem(entry: zipfile.ZipInfo) -> Problem | None:
    """Why an entry is not a file of a release."""
    name = printable(entry.filename)
    mode = entry.external_attr >> 16
    if "\0" in entry.orig_filename:
        return Problem(name, "the path contains a null byte")
    if stat.S_ISLNK(mode):
        return Problem(name, "is a link")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return Problem(name, "is neither a file nor a folder")
    if not entry.filename.isascii() and not entry.flag_bits & _NAMES_ARE_UTF8:
        return Problem(name, "the name is not ASCII and not marked as UTF-8")
    return None
