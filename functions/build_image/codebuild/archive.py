"""The source as CodeBuild gets it: one zip with everything that `docker build` needs.

build.sh                     what CodeBuild runs
labels                       the labels of the image, one a line
images/airflow/…             Dockerfile, lock file, our package, and the user's packages and plugins
local/environments/uv.lock   the version of uv that installs the packages
functions/…                  the formats and checks that the Dockerfile takes from the functions
packages/                    the Debian packages, if any, with the Dockerfile that installs them
own/                         the user's folder, if it has a Dockerfile

Equal sources give equal bytes.
"""

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from build_image.checks import debian_packages
from build_image.checks.codebuild_files import DOCKERFILE, PACKAGES
from build_image.source import Source, files_of, opened

_HERE = Path(__file__).parent
_FUNCTIONS = _HERE.parents[1]
_FROM_FUNCTIONS = ("build_image", "contracts", "shared")
_USER = "images/airflow/user"
# Of the user's folder, but of no image.
_ABOUT_THE_FOLDER = ("README.md", "accepted-findings.toml")
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644
_PACKAGES_DOCKERFILE = _HERE / "packages.Dockerfile"


def tag(source: Source) -> str:
    """The image's tag: a digest of everything that decides what is in it.

    It differs from the tag of the function's image, because here the Dockerfile decides as well.
    """
    digest = hashlib.sha256(source.tag().encode())
    user = source.user
    packages = debian_packages.read(user / PACKAGES)
    parts = [_read(source.folder / "Dockerfile"), "\n".join(packages).encode()]
    if packages:
        parts.append(_PACKAGES_DOCKERFILE.read_bytes())
    for name, content in _own(user):
        parts += [name.encode(), content]
    for part in parts:
        # Of equal length each, so that no two lists of parts look the same.
        digest.update(hashlib.sha256(part).digest())
    return f"codebuild-{digest.hexdigest()[:24]}"


def write(target: Path, source: Source, labels: Mapping[str, str]) -> str:
    """Write the archive; returns the SHA-256 of its content in hexadecimal digits."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in sorted(_entries(source, labels)):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = _MODE << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entries(source: Source, labels: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    yield "build.sh", (_HERE / "build.sh").read_bytes()
    yield "labels", "".join(f"{name}={_line(value)}\n" for name, value in labels.items()).encode()
    yield "images/airflow/Dockerfile", _read(source.folder / "Dockerfile")
    yield "images/airflow/requirements.lock", _read(source.lock)
    yield from _tree("images/airflow/src", source.package)
    yield "local/environments/uv.lock", _read(source.folder / "uv.lock")
    for name in _FROM_FUNCTIONS:
        yield from _tree(f"functions/{name}", _FUNCTIONS / name)
    user = source.user
    # The Dockerfile copies the folder, which need not exist in the source.
    yield f"{_USER}/.source", b""
    for path, content in _tree(_USER, user):
        if _is_for_the_image(path.removeprefix(f"{_USER}/"), user):
            yield path, content
    if packages := debian_packages.read(user / PACKAGES):
        yield "packages/Dockerfile", _PACKAGES_DOCKERFILE.read_bytes()
        yield f"packages/{PACKAGES}", "".join(f"{one}\n" for one in packages).encode()
    yield from _own(user)


def _is_for_the_image(path: str, user: Path) -> bool:
    """Whether images/airflow/Dockerfile gets a file of the user's folder.

    It refuses what it does not know, such as a file that the user's own Dockerfile copies.
    """
    if (user / DOCKERFILE).exists():
        return path == "requirements.txt" or path.startswith("plugins/")
    return path != PACKAGES


def _own(user: Path) -> Iterator[tuple[str, bytes]]:
    """What a Dockerfile of the user's own may copy, with the Dockerfile; nothing without one."""
    if (user / DOCKERFILE).exists():
        for path, content in _tree("own", user):
            if path.partition("/")[2] not in _ABOUT_THE_FOLDER:
                yield path, content


def _tree(prefix: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in files_of(folder):
        yield f"{prefix}/{name}", _read(folder / name)


def _read(path: Path) -> bytes:
    with opened(path) as file:
        content: bytes = file.read()
    return content


def _line(value: str) -> str:
    return re.sub(r"\s+", " ", value)
