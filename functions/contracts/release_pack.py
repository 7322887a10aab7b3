"""How a release and its archive are stored in S3: a JSON line, then the bytes of files, gzipped.

    zcat 20260102T030405Z-0123456789.gz | head -n 1 | python3 -m json.tool

The line's `blobs` lists the files that follow, by hash and size, in order. It is one stream, so
that one request fetches ten thousand small files and similar files compress well.
"""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

# A pack is written once, and read by every task that starts with an empty disk.
_COMPRESSION_LEVEL = 6


class PackFormatError(ValueError):
    """The bytes are not a complete pack."""


def pack(header: Mapping[str, Any], blobs: Mapping[str, bytes]) -> bytes:
    """The same input always gives the same bytes: no time stamp, files ordered by hash."""
    order = sorted(blobs)
    line = {**header, "blobs": [[sha256, len(blobs[sha256])] for sha256 in order]}
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    packed = io.BytesIO()
    with gzip.GzipFile(
        fileobj=packed, mode="wb", compresslevel=_COMPRESSION_LEVEL, mtime=0
    ) as file:
        file.write(text.encode("utf-8", "surrogatepass") + b"\n")
        for sha256 in order:
            file.write(blobs[sha256])
    return packed.getvalue()


class Pack:
    """A pack being read: the header first, then the files one by one, each verified."""

    def __init__(self, data: bytes) -> None:
        self._file = gzip.GzipFile(fileobj=io.BytesIO(data), mode="rb")
        line = self._read("its first line", self._file.readline)
        try:
            self.header: dict[str, Any] = json.loads(line)
            self._index = [(str(sha256), int(size)) for sha256, size in self.header.pop("blobs")]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise PackFormatError(f"The pack's first line is not as expected: {error}") from error

    @property
    def hashes(self) -> frozenset[str]:
        return frozenset(sha256 for sha256, _ in self._index)

    def blobs(self) -> Iterator[tuple[str, bytes]]:
        """Hash and bytes of each file. Can be iterated once."""
        for sha256, size in self._index:
            data = self._read(f"the file {sha256}", lambda size=size: self._file.read(size))
            if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
                raise PackFormatError(f"The pack's file {sha256} does not match its hash")
            yield sha256, data
        if self._read("its end", lambda: self._file.read(1)):
            raise PackFormatError("The pack continues after its last file")

    @staticmethod
    def _read(what: str, read: Any) -> bytes:
        try:
            data: bytes = read()
        except (OSError, EOFError, zlib.error) as error:
            raise PackFormatError(f"The pack is cut off before {what}: {error}") from error
        return data
