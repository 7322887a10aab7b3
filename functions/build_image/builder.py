"""Build the image part by part; each part is stored in the registry before the next is made.

A part whose key is known, from an earlier call or from a former image, is not made again. So the
same content builds nothing, a change of code uploads the code alone, and a call that has no time
left is continued by another. The image gets its tag with the last call to the registry: until then
there are only layers, which nobody sees.
"""

import errno
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from build_image import image
from build_image.budget import Budget
from build_image.checks import user_folder
from build_image.checks.python_files import patch_problems, syntax_problems
from build_image.errors import ImageBuildError
from build_image.model import BaseImage, Part
from build_image.parts import PartMaker
from build_image.ports import BaseImages, ImageRepository, PythonPackages
from build_image.source import Source

logger = logging.getLogger(__name__)

# What each step takes at most at the function's size, generously.
_SECONDS = {"base": 180.0, "packages": 480.0, "code": 60.0, "user": 240.0, "image": 30.0}
# What the packages take on the disk: the downloads, the files, the layer.
_DISK_MIB = {"base": 1024, "packages": 3072, "code": 256, "user": 2048}
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class BuiltImage:
    """The image, and what this build had to do for it."""

    digest: str
    tag: str
    # The parts that were made, with the bytes of their layers.
    made: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Builder:
    source: Source
    repository: ImageRepository
    base_images: BaseImages
    packages: PythonPackages
    folder: Path
    budget: Budget
    # Parts that earlier calls for this image have made, by key. New ones are added.
    parts: dict[str, Part] = field(default_factory=dict)
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free

    def build(self) -> BuiltImage:
        """The image of the source: the stored one with its tag, or a new one.

        Raises:
            ImageBuildError: says what is wrong, and what to do.
            ContinueError: another call has to go on; `parts` is what it needs to know.
        """
        tag = self.source.tag()
        stored = self.repository.digest_of(tag)
        if stored is not None:
            return BuiltImage(stored, tag)
        self._check_source()
        known = {**image.known_parts(self.repository.recent_labels()), **self.parts}
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            return self._build(tag, known)
        except MemoryError as error:
            raise ImageBuildError(
                "The function's memory was not enough to build the image: raise its MemorySize."
            ) from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise ImageBuildError(
                    "The function's disk (/tmp) is full: raise its EphemeralStorage."
                ) from error
            raise
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _build(self, tag: str, known: Mapping[str, Part]) -> BuiltImage:
        base = self.base_images.find(self.source.base_image, self.source.architecture)
        maker = PartMaker(
            self.source, self.repository, self.base_images, self.packages, self.folder
        )
        parts: dict[str, Part] = {}
        made: dict[str, int] = {}

        def provide(name: str, key: str, make: Callable[[str, float], Part]) -> Part:
            part = known.get(key)
            if part is None or not self.repository.has_layers([one.digest for one in part.layers]):
                seconds = self.budget.start(name, _SECONDS[name])
                self._check_disk(name)
                logger.info("Making a part of the image: %s", name)
                part = make(key, seconds)
                made[name] = sum(layer.size for layer in part.layers)
            self.parts[key] = parts[name] = part
            return part

        foundation = provide(
            "base",
            self.source.base_key(base.digest),
            lambda key, _seconds: maker.base(key, base),
        )
        python, version = str(foundation.facts["python"]), str(foundation.facts["version"])
        packages = provide(
            "packages",
            self.source.packages_key(python, version),
            lambda key, seconds: maker.packages(key, seconds, python, version),
        )
        provide("code", self.source.code_key(version), maker.code)
        if self.source.has_user_requirements() or self.source.has_plugins():
            provide(
                "user",
                self.source.user_key(python, version),
                lambda key, seconds: maker.user(key, seconds, python, version, packages),
            )
        self.budget.start("image", _SECONDS["image"])
        return BuiltImage(self._put(tag, base, parts), tag, made)

    def _put(self, tag: str, base: BaseImage, parts: Mapping[str, Part]) -> str:
        labels = {**self.source.labels(), "org.opencontainers.image.base.digest": base.digest}
        labels["airflow-on-fargate.python"] = str(parts["base"].facts["version"])
        config = image.configuration(base, self.source.architecture, parts, labels)
        digest = image.digest_of(config)
        file = self.folder / "config.json"
        file.write_bytes(config)
        self.repository.push_layer(file, digest)
        manifest = image.manifest(config, parts)
        return self.repository.put_image(manifest, image.digest_of(manifest), tag)

    def _check_source(self) -> None:
        """Refuse what cannot work before anything is downloaded."""
        problems = [
            *patch_problems(self.source.package, self.source.pins()),
            *syntax_problems(self.source.package, "images/airflow/src"),
            *user_folder.problems(self.source.user),
            *syntax_problems(self.source.plugins, user_folder.PLUGINS),
        ]
        if problems:
            raise ImageBuildError(" ".join(problems))

    def _check_disk(self, step: str) -> None:
        free = self.free_bytes(self.folder) // _MEBIBYTE
        if free < _DISK_MIB[step]:
            raise ImageBuildError(
                f"The step {step!r} needs {_DISK_MIB[step]} MiB of the function's disk (/tmp), "
                f"which has {free} MiB free: raise its EphemeralStorage."
            )
