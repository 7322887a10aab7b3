"""What the builder has to know of the base image's files.

The Dockerfile runs programs in the base image; the builder cannot. It reads the layers instead and
keeps the few files that the Dockerfile's instructions change: the accounts, the files of a new
home, the programs with another user's rights, and where Python is.
"""

import gzip
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from build_image.errors import BaseImageError
from build_image.layers.tar_layer import Entry

ACCOUNT_FILES = (
    "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid",
)  # fmt: skip
SKELETON = "etc/skel/"
_SPECIAL_BITS = 0o6000
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass
class BaseFiles:
    """The files that were found so far; a later layer replaces and removes those of former ones."""

    storage: Path
    # Path in the image -> its entry, with the content in a file of its own.
    kept: dict[str, Entry] = field(default_factory=dict)
    # Everything that may be the interpreter: files and links named python….
    pythons: set[str] = field(default_factory=set)
    _count: int = 0

    def read_layer(self, file: Path) -> None:
        """Read a layer, which is a tar file, mostly compressed with gzip."""
        try:
            with tarfile.open(file, mode="r|*") as tar:
                for member in tar:
                    self._read(tar, member)
                    vars(tar)["members"] = []  # it keeps every entry, which nothing here needs
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise BaseImageError(
                f"A layer of the base image cannot be read ({error}): the builder reads tar files, "
                "plain or compressed with gzip. Choose another base image."
            ) from error

    def python_in(self, path_variable: str) -> str | None:
        """The interpreter that the base image's PATH leads to."""
        for directory in path_variable.split(":"):
            candidate = posixpath.join(directory, "python")
            if candidate.lstrip("/") in self.pythons:
                return candidate
        return None

    def has_python(self, python: str, version: str) -> bool:
        """Whether `pythonX.Y` is beside the interpreter."""
        beside = posixpath.join(posixpath.dirname(python), f"python{version}")
        return beside.lstrip("/") in self.pythons

    def special_files(self) -> dict[str, Entry]:
        """The programs with another user's rights."""
        return {path: one for path, one in self.kept.items() if one.info.mode & _SPECIAL_BITS}

    def _read(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = posixpath.normpath(member.name).lstrip("/")
        folder, name = posixpath.split(path)
        if name == _OPAQUE:
            self._forget(lambda known: known.startswith(f"{folder}/"))
            return
        if name.startswith(_WHITEOUT):
            gone = posixpath.join(folder, name.removeprefix(_WHITEOUT))
            self._forget(lambda known: known == gone or known.startswith(f"{gone}/"))
            return
        self._forget(lambda known: known == path)
        if name.startswith("python") and not member.isdir():
            self.pythons.add(path)
        if member.islnk():
            original = self.kept.get(posixpath.normpath(member.linkname).lstrip("/"))
            if original is not None and original.info.mode & _SPECIAL_BITS:
                self.kept[path] = original
            return
        special = member.isreg() and member.mode & _SPECIAL_BITS
        wanted = path in ACCOUNT_FILES or (path.startswith(SKELETON) and member.isreg())
        if not (special or wanted):
            return
        content = tar.extractfile(member)
        if content is None:
            return
        self._count += 1
        target = self.storage / str(self._count)
        with target.open("wb") as copy:
            shutil.copyfileobj(content, copy)
        self.kept[path] = Entry(member, target)

    def _forget(self, is_gone: Callable[[str], bool]) -> None:
        for path in [path for path in self.kept if is_gone(path)]:
            del self.kept[path]
        self.pythons = {path for path in self.pythons if not is_gone(path)}
