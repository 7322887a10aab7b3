"""What the image is made of: the files that `sam build` copies for the function.

Dockerfile           names the base image
requirements.lock    the packages, with hashes
uv.lock              the installer, for CodeBuild
src/                 our package, its link to the contracts replaced by the files
user/                optional: requirements.txt, plugins/ and accepted-findings.toml
labels.json          commit, time and build number, written by `sam build`
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from build_image.checks.requirements_file import lines, pinned_versions
from build_image.errors import ImageBuildError
from build_image.model import FORMAT

_BASE = re.compile(r"^ARG PYTHON_IMAGE=(\S+)$", re.MULTILINE)
_IGNORED = ("__pycache__", ".DS_Store", ".git")
_UNKNOWN_TIME = "1980-01-01T00:00:00Z"


@dataclass(frozen=True)
class Source:
    """A folder with everything that the image is made of."""

    folder: Path
    architecture: str
    # Replaces the Dockerfile's base image where it is not empty.
    own_base: str = ""
    _digests: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def lock(self) -> Path:
        return self.folder / "requirements.lock"

    @property
    def package(self) -> Path:
        return self.folder / "src"

    @property
    def user(self) -> Path:
        return self.folder / "user"

    @property
    def user_requirements(self) -> Path:
        return self.user / "requirements.txt"

    @property
    def plugins(self) -> Path:
        return self.user / "plugins"

    @property
    def accepted_findings(self) -> Path:
        """Part of the source, and of no image: a change of it alone builds nothing."""
        return self.folder / "user" / "accepted-findings.toml"

    @property
    def base_image(self) -> str:
        """The reference of the base image."""
        if self.own_base:
            return self.own_base
        found = _BASE.search(_text(self.folder / "Dockerfile"))
        if found is None:
            raise ImageBuildError(
                "images/airflow/Dockerfile has no default for PYTHON_IMAGE, which names the base "
                "image: add one, such as ARG PYTHON_IMAGE=public.ecr.aws/…"
            )
        return found[1]

    def pins(self) -> dict[str, str]:
        """The version of each package of the lock file, by normalized name."""
        pins = pinned_versions(_text(self.lock))
        if "apache-airflow" not in pins:
            raise ImageBuildError(
                "images/airflow/requirements.lock does not contain apache-airflow: lock "
                "requirements.in again as images/airflow/README.md says."
            )
        return pins

    def has_user_requirements(self) -> bool:
        if not self.user_requirements.is_file():
            return False
        return bool(lines(_text(self.user_requirements)))

    def has_plugins(self) -> bool:
        return bool(files_of(self.plugins))

    def base_key(self, digest: str) -> str:
        return _key("base", self.architecture, digest)

    def packages_key(self, *facts: str) -> str:
        """Equal keys mean equal layers. `facts` are those of the base image that matter."""
        return _key("packages", self.architecture, *facts, _file_digest(self.lock))

    def code_key(self, *facts: str) -> str:
        return _key("code", *facts, self._tree("src", self.package))

    def user_key(self, *facts: str) -> str:
        return _key(
            "user",
            self.architecture,
            *facts,
            # What plugins import is looked up in the packages of the lock file.
            _file_digest(self.lock) if self.has_user_requirements() or self.has_plugins() else "",
            _file_digest(self.user_requirements) if self.has_user_requirements() else "",
            self._tree("plugins", self.plugins),
        )

    def tag(self) -> str:
        """The image's tag: a digest of everything that decides what is in it.

        A base image that is named by tag counts by that name. So a rollback finds the former
        image, and a newer base comes with the next change.
        """
        digest = _key(
            "image", self.base_image, self.packages_key(), self.code_key(), self.user_key()
        )
        return f"content-{digest[:24]}"

    def labels(self) -> dict[str, str]:
        """The labels of Open Containers, with what `sam build` wrote down."""
        try:
            written: Mapping[str, Any] = json.loads(_text(self.folder / "labels.json"))
        except ValueError:
            written = {}
        return {
            "org.opencontainers.image.title": "airflow-on-fargate",
            "org.opencontainers.image.version": self.pins()["apache-airflow"],
            "org.opencontainers.image.revision": str(written.get("revision") or "unknown"),
            "org.opencontainers.image.created": str(written.get("created") or _UNKNOWN_TIME),
            "org.opencontainers.image.base.name": self.base_image,
            "airflow-on-fargate.build": str(written.get("build") or "unknown"),
        }

    def _tree(self, name: str, folder: Path) -> str:
        if name not in self._digests:
            pairs = ((path, _file_digest(folder / path)) for path in files_of(folder))
            self._digests[name] = _key(*(part for pair in pairs for part in pair))
        return self._digests[name]


def files_of(folder: Path) -> list[str]:
    """The files under a folder that belong into the image, links followed, sorted."""
    if not folder.is_dir():
        return []
    found = []
    for path, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in _IGNORED]
        found += [Path(path, name).relative_to(folder).as_posix() for name in names]
    return sorted(
        name for name in found if not name.endswith(".pyc") and Path(name).name not in _IGNORED
    )


def _key(*parts: str) -> str:
    # JSON keeps the parts apart: ("a", "bc") is not ("ab", "c").
    return hashlib.sha256(json.dumps([FORMAT, *parts]).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def opened(path: Path) -> Any:
    """A file of the source, open for reading.

    Raises:
        ImageBuildError: it is not there, or cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageBuildError(
            f"The source of the image lacks {path.name} ({error.strerror}): run sam build in an "
            "unmodified copy of the repository, then deploy again."
        ) from error


def _text(path: Path) -> str:
    with opened(path) as file:
        content: bytes = file.read()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ImageBuildError(f"{path.name} is not UTF-8 text: save it as UTF-8.") from error
