"""The function and the Dockerfile make the same image, of a user's files too: file by file.

Long: both install and compile every package of the lock file.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from image_parts import UV
from podman import needs_podman

from build_image.budget import Budget
from build_image.builder import Builder
from build_image.image import MANIFEST_TYPE
from build_image.model import ARCHITECTURES, BaseImage, Layer
from build_image.source import Source
from build_image.uv import Uv
from commands.container_image import base, build, engines
from commands.container_image.engines import PODMAN
from commands.steps import Steps
from commands.workspace import ROOT

pytestmark = [
    needs_podman,
    pytest.mark.skipif(sys.version_info[:2] != (3, 13), reason="the image has Python 3.13"),
]

DOCKERFILE_IMAGE = "localhost/airflow-on-fargate-test:dockerfile"
FUNCTION_IMAGE = "localhost/airflow-on-fargate-test:function"
ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
USER = {
    "requirements.txt": "apache-airflow-providers-ftp\n",
    "plugins/acme/__init__.py": "",
    "plugins/acme/hooks.py": "NAME = 'own'\n",
    "plugins/own.py": (
        "from acme.hooks import NAME\n"
        "from airflow.plugins_manager import AirflowPlugin\n"
        "from airflow.providers.ftp.hooks.ftp import FTPHook\n\n\n"
        "class Own(AirflowPlugin):\n    name = NAME\n"
    ),
}
# Days, versions of uv, and which name of a hard link is the file.
_DIFFERENT = ("etc/shadow", "opt/venv/pyvenv.cfg", "usr/bin/perl", "usr/bin/perl5")


@dataclass
class OciFolder:
    """An image layout of OCI: the base image of one, the repository of the other."""

    folder: Path
    tags: dict[str, str] = field(default_factory=dict)

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")

    # --- a registry of base images ---

    def find(self, reference: str, architecture: str) -> BaseImage:
        digest = json.loads((self.folder / "index.json").read_text())["manifests"][0]["digest"]
        manifest = json.loads(self.blob(digest).read_text())
        config = json.loads(self.blob(manifest["config"]["digest"]).read_text())
        assert config["architecture"] == ARCHITECTURES[architecture]
        layers = zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
        return BaseImage(
            digest, config, tuple(Layer(one["digest"], diff, one["size"]) for one, diff in layers)
        )

    def fetch(self, reference: str, layer: Layer, target: Path) -> None:
        shutil.copy(self.blob(layer.digest), target)

    # --- a repository ---

    def digest_of(self, tag: str) -> str | None:
        return self.tags.get(tag)

    def recent_labels(self) -> Sequence[Mapping[str, str]]:
        return []

    def has_layers(self, digests: Sequence[str]) -> bool:
        return all(self.blob(digest).exists() for digest in digests)

    def push_layer(self, file: Path, digest: str) -> None:
        self.blob(digest).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, self.blob(digest))

    def fetch_layer(self, digest: str, target: Path) -> None:
        shutil.copy(self.blob(digest), target)

    def put_image(self, manifest: bytes, digest: str, tag: str) -> str:
        self.blob(digest).write_bytes(manifest)
        entry = {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(manifest)}
        index = {"schemaVersion": 2, "manifests": [entry]}
        (self.folder / "index.json").write_text(json.dumps(index))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return self.tags.setdefault(tag, digest)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with files of a user, as `sam build` and Docker read it."""
    root = tmp_path_factory.mktemp("repository")
    for name in (*build._SOURCES, "images/airflow/Dockerfile", ".dockerignore"):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, target)
        else:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, target, symlinks=True, ignore=ignored)
    user = root / "images" / "airflow" / "user"
    shutil.rmtree(user)
    for name, text in USER.items():
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def images(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Both images, in podman's storage."""
    folder = tmp_path_factory.mktemp("images")
    found = base.provide(PODMAN, Steps())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "ROOT", repository)
        PODMAN.build(
            DOCKERFILE_IMAGE,
            repository / "images" / "airflow" / "Dockerfile",
            arguments={"PYTHON_IMAGE": found.name},
            labels={},
            log=folder / "podman.log",
            host_certificates=found.is_stand_in,
        )
    podman("save", "--quiet", "--format", "oci-dir", "--output", str(folder / "base"), found.name)
    source = folder / "source"
    shutil.copytree(repository / "images" / "airflow", source)
    (source / "labels.json").write_text("{}")
    own = ("UV_", "SSL_CERT_")
    settings = {name: value for name, value in os.environ.items() if name.startswith(own)}
    result = OciFolder(folder / "result")
    Builder(
        source=Source(source, ARCHITECTURE),
        repository=result,
        base_images=OciFolder(folder / "base"),
        packages=Uv(UV, ARCHITECTURE, folder / "work", settings),
        folder=folder / "work",
        budget=Budget(lambda: 3600),
    ).build()
    podman("tag", podman("pull", "--quiet", f"oci:{result.folder}").strip(), FUNCTION_IMAGE)
    yield
    podman("rmi", "--force", DOCKERFILE_IMAGE, FUNCTION_IMAGE)


def podman(*arguments: str) -> str:
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_of(image: str, folder: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in an image: kind, mode, owner, link and content."""
    container = podman("create", image).strip()
    archive = folder / "files.tar"
    try:
        podman("export", "--output", str(archive), container)
    finally:
        podman("rm", "--volumes", container)
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            digest = ""
            # A compiled file names the time of its source, which is that of the build.
            if member.isreg() and not member.name.endswith(".pyc"):
                content = tar.extractfile(member)
                assert content is not None
                digest = hashlib.sha256(content.read()).hexdigest()
            found[member.name.removeprefix("./").rstrip("/")] = (
                member.type, member.mode, member.uid, member.gid, member.linkname, digest,
            )  # fmt: skip
    archive.unlink()
    return found


def test_images_have_the_same_files(images: None, tmp_path: Path) -> None:
    one, other = files_of(DOCKERFILE_IMAGE, tmp_path), files_of(FUNCTION_IMAGE, tmp_path)

    assert one.keys() == other.keys()
    different = {name for name in one if one[name] != other[name]}
    assert {name for name in different if not name.startswith(_DIFFERENT)} == set()
    assert "opt/airflow-user/plugins/acme/hooks.py" in one
    assert len(one) > 20_000


@pytest.mark.parametrize("image", [DOCKERFILE_IMAGE, FUNCTION_IMAGE])
def test_image_starts_with_the_users_package_and_plugin(images: None, image: str) -> None:
    def run(*command: str) -> str:
        rights = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
        limits = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
        return podman("run", "--rm", "--network", "host", *rights, *limits, image, *command)

    assert "3." in run("version")
    assert "apache-airflow-providers-ftp" in run("providers", "list")
    assert "own  | $PLUGINS_FOLDER/own.py" in run("plugins")
