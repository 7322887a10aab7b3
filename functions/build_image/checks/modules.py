"""The modules that an image has, found by the names of its files: nothing is imported."""

import csv
import gzip
import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from build_image.checks.requirements_file import normalized
from build_image.errors import RegistryError

_SITE_PACKAGES = re.compile(r"opt/venv/lib/python3[^/]*/site-packages/(.+)")
_SUFFIXES = (".py", ".so")
# What a package does that makes modules which no file has: airflow.operators.python, six.moves.
_MAKES_MODULES = re.compile(
    rb"sys\.modules|meta_path|path_hooks|add_deprecated_classes"
    rb"|^__path__ *\+?=(?!.*extend_path)|__path__\.",
    re.MULTILINE,
)
# With this file, setuptools provides the module that Python no longer has.
_DISTUTILS = "distutils-precedence.pth"
_DISTRIBUTION = re.compile(r"([^/]+?)-([^/-]+)\.dist-info")


@dataclass
class Modules:
    """Modules and packages by path: `airflow/models/dag`."""

    _files: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)
    # Packages that may have modules without files.
    _makers: set[str] = field(default_factory=set)
    # The versions of the installed packages, by normalized name.
    distributions: dict[str, str] = field(default_factory=dict)
    # Files that were read, and those that the packages' RECORD files list.
    _seen: set[str] = field(default_factory=set)
    _listed: set[str] = field(default_factory=set)

    def missing(self, module: str) -> str:
        """The first part of a dotted name that does not exist; nothing where all may exist."""
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            if path in self._folders:
                continue
            if path in self._files or "/".join(parts[: count - 1]) in self._makers:
                return ""
            return ".".join(parts[:count])
        return ""

    def add_layer(self, file: Path) -> None:
        """Add the packages that a layer of the image has in its environment."""
        try:
            with tarfile.open(file, mode="r|gz") as tar:
                for member in tar:
                    vars(tar)["members"] = []  # it keeps every entry, which nothing here needs
                    if member.isreg() and (found := _SITE_PACKAGES.fullmatch(member.name)):
                        content = tar.extractfile(member)
                        assert content is not None
                        self._add(found[1], content.read)
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise RegistryError(
                f"The layer with the packages cannot be read ({error}): deploy again."
            ) from error
        self._add_listed()

    def add_folder(self, folder: Path) -> None:
        """Add the modules in a folder, such as one of PYTHONPATH."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self._add(path.relative_to(folder).as_posix(), path.read_bytes)
        self._add_listed()

    def _add(self, path: str, read: Callable[[], bytes]) -> None:
        folder, name = posixpath.split(path)
        if found := _DISTRIBUTION.fullmatch(folder):
            self.distributions[normalized(found[1])] = found[2]
            if name == "RECORD":
                rows = csv.reader(io.StringIO(read().decode(errors="replace")))
                self._listed.update(row[0] for row in rows if row and row[0][0] != ".")
            return
        self._seen.add(path)
        if path == _DISTUTILS:
            self._files.add("distutils")
        if not name.endswith(_SUFFIXES) or "__pycache__" in path:
            return
        stem = name.partition(".")[0]
        if stem == "__init__":
            if not name.endswith(".py") or _MAKES_MODULES.search(read()):
                self._makers.add(folder)
        else:
            self._files.add(posixpath.join(folder, stem))
        while folder and folder not in self._folders:
            self._folders.add(folder)
            folder = posixpath.dirname(folder)

    def _add_listed(self) -> None:
        """Add what packages list and the layer does not have: on a developer's machine, the image
        has the lists only. Such a package may do anything with its modules.
        """
        for path in self._listed - self._seen:
            self._add(path, lambda: b"sys.modules")
