"""Make the parts of the image, and store their layers."""

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from build_image.checks.imports import import_problems
from build_image.checks.installation import explain
from build_image.checks.modules import Modules
from build_image.checks.requirements_file import (
    Line,
    lines,
    normalized,
    pinned_versions,
    with_own_hashes,
)
from build_image.checks.user_folder import PLUGINS, REQUIREMENTS
from build_image.errors import BaseImageError, ImageBuildError, PackagesError
from build_image.image import DEFAULT_PATH
from build_image.layers import packages, system, tar_layer, unneeded
from build_image.layers.base_files import BaseFiles
from build_image.layers.tar_layer import Entry
from build_image.model import BaseImage, Layer, Part
from build_image.ports import BaseImages, ImageRepository, PythonPackages
from build_image.source import Source, files_of

_LOCK = "images/airflow/requirements.lock"
_CODE = "opt/airflow-on-fargate"
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:==| @ )")


@dataclass(frozen=True)
class PartMaker:
    source: Source
    repository: ImageRepository
    base_images: BaseImages
    installer: PythonPackages
    folder: Path

    def base(self, key: str, base: BaseImage) -> Part:
        """The layers of the base image as they are, and the layer of the system."""
        with _emptied(self.folder / "base") as folder:
            files = BaseFiles(folder)
            for layer in base.layers:
                blob = folder / "layer"
                self.base_images.fetch(self.source.base_image, layer, blob)
                files.read_layer(blob)
                self.repository.push_layer(blob, layer.digest)
                blob.unlink()
            variables = base.environment()
            python = files.python_in(variables.get("PATH", DEFAULT_PATH))
            wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
            if python is None or not files.has_python(python, wanted):
                raise BaseImageError(
                    f"The base image {self.source.base_image} has no Python {wanted} on its PATH, "
                    "which the builder compiles for: choose a base image with this version."
                )
            system_layer = self._store(system.entries(files, folder))
            facts = {"python": python, "version": variables.get("PYTHON_VERSION", wanted)}
            return Part(key, (*base.layers, system_layer), facts)

    def packages(self, key: str, seconds: float, python: str, version: str) -> Part:
        """The packages of the lock file, installed and compiled."""
        with _emptied(self.folder / "packages") as root:
            environment = root / packages.ENVIRONMENT
            self._install(environment, self.source.lock, _LOCK, seconds)
            packages.adapt_environment(root, python, version)
            unneeded.remove(packages.site_packages(root))
            tar_layer.set_times(environment)
            # Some packages contain templates and tests that no Python compiles.
            self.installer.compile_bytecode(root, packages.site_packages(root), seconds)
            return Part(key, (self._store(tar_layer.tree(root, packages.ENVIRONMENT)),))

    def code(self, key: str, seconds: float) -> Part:
        """Our package."""
        with _emptied(self.folder / "code") as root:
            top = root / _CODE
            _copy(self.source.package, top)
            if problem := self.installer.compile_bytecode(root, top, seconds):
                raise ImageBuildError(f"images/airflow/src cannot be compiled: {problem.strip()}")
            return Part(key, (self._store(tar_layer.tree(root, _CODE)),))

    def user(self, key: str, seconds: float, python: str, version: str, installed: Part) -> Part:
        """The packages and plugins that the user added to those of the lock file."""
        with _emptied(self.folder / "user") as root:
            modules = self._modules(installed)
            entries: list[Entry] = []
            if self.source.has_user_requirements():
                pins = dict(modules.distributions)
                entries += self._user_packages(root, seconds, python, version, pins)
                modules.add_folder(packages.site_packages(root))
            if self.source.has_plugins():
                if problems := import_problems(self.source.plugins, PLUGINS, modules):
                    raise ImageBuildError(" ".join(problems))
                _copy(self.source.plugins, root / system.PLUGINS)
                self.installer.compile_bytecode(root, root / system.PLUGINS, seconds)
                entries += tar_layer.tree(root, system.PLUGINS)
            return Part(key, (self._store(entries),))

    def _modules(self, installed: Part) -> Modules:
        """What plugins can import. A former call or a former build may have made the layer."""
        modules = Modules()
        file = self.folder / "packages.tar.gz"
        for layer in installed.layers:
            self.repository.fetch_layer(layer.digest, file)
            modules.add_layer(file)
            file.unlink()
        modules.add_folder(self.source.package)
        return modules

    def _user_packages(
        self, root: Path, seconds: float, python: str, version: str, pins: Mapping[str, str]
    ) -> Iterator[Entry]:
        own = lines(self.source.user_requirements.read_text())
        self._check_hashes(own, pins)
        locked = self._resolve(root, pins, seconds)
        locked.write_text(with_own_hashes(without_packages(locked.read_text(), pins), own))
        environment = root / packages.ENVIRONMENT
        self.installer.create_environment(environment)
        empty = packages.paths_of(root)
        self._install(environment, locked, REQUIREMENTS, seconds)
        packages.adapt_environment(root, python, version)
        tar_layer.set_times(environment)
        self.installer.compile_bytecode(root, packages.site_packages(root), seconds)
        return packages.user_entries(root, empty)

    def _resolve(self, root: Path, pins: Mapping[str, str], seconds: float) -> Path:
        """The lock file of the user's packages and of all that they need."""
        requirements, locked = self.source.user_requirements, root / "user.lock"
        constraints = root / "constraints.txt"
        constraints.write_text("".join(f"{name}=={pin}\n" for name, pin in pins.items()))

        def versions() -> Mapping[str, str]:
            """The versions without the lock file: they make the reason of a conflict concrete."""
            constraints.write_text("")
            try:
                self.installer.resolve(requirements, constraints, locked, seconds)
            except ImageBuildError:
                return {}
            return pinned_versions(locked.read_text())

        try:
            self.installer.resolve(requirements, constraints, locked, seconds)
        except PackagesError as error:
            raise PackagesError(explain(str(error), REQUIREMENTS, pins, versions)) from error
        return locked

    def _check_hashes(self, own: Iterable[Line], pins: Mapping[str, str]) -> None:
        """A package of the lock file is not installed again, so its hash is compared here."""
        locked: dict[str, set[str]] = {}
        for line in lines(self.source.lock.read_text()):
            locked.setdefault(normalized(line.name), set()).update(line.hashes)
        for line in own:
            name = normalized(line.name)
            if name in pins and line.hashes and locked[name].isdisjoint(line.hashes):
                raise PackagesError(
                    f"{REQUIREMENTS}, line {line.number}, names {name} with a hash that "
                    f"images/airflow/requirements.lock does not have for {name} {pins[name]}, "
                    "which the image contains: remove the line or its hash."
                )

    def _install(self, environment: Path, requirements: Path, name: str, seconds: float) -> None:
        if not environment.exists():
            self.installer.create_environment(environment)
        try:
            self.installer.install(environment, requirements, seconds)
        except PackagesError as error:
            raise PackagesError(explain(str(error), name, self.source.pins())) from error

    def _store(self, entries: Iterable[Entry]) -> Layer:
        file = self.folder / "layer.tar.gz"
        layer = tar_layer.write(file, entries)
        self.repository.push_layer(file, layer.digest)
        file.unlink()
        return layer


def without_packages(locked: str, pins: Mapping[str, str]) -> str:
    """A lock file without the packages that another one has."""
    kept, is_kept = [], True
    for line in locked.splitlines():
        if found := _REQUIREMENT.match(line):
            is_kept = normalized(found[1]) not in pins
        if is_kept:
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """An empty folder, removed afterwards: two parts need not fit on the disk together."""
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy files, with links replaced by what they lead to, and give them the fixed time."""
    for name in files_of(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, target / name)
    tar_layer.set_times(target)
