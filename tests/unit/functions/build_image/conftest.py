"""A small base image in a registry on this machine, tiny wheels, and a repository in a folder."""

import base64
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from build_image.budget import Budget
from build_image.builder import Builder
from build_image.registry import OciRegistry
from build_image.source import Source
from build_image.uv import Uv

REPOSITORY = Path(__file__).resolve().parents[4]
UV = REPOSITORY / ".venv" / "uv" / "bin" / "uv"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"opt/venv/lib/python{PYTHON}/site-packages"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class ImageRepository:
    """A repository that checks what it gets, as ECR does."""

    layers: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)

    def digest_of(self, tag: str) -> str | None:
        return self.tags.get(tag)

    def recent_labels(self) -> Sequence[Mapping[str, str]]:
        return [self.config_of(digest)["config"]["Labels"] for digest in self.tags.values()][::-1]

    def has_layers(self, digests: Sequence[str]) -> bool:
        return set(digests) <= set(self.layers)

    def push_layer(self, file: Path, digest: str) -> None:
        content = file.read_bytes()
        assert digest_of(content) == digest
        if digest not in self.layers:
            self.layers[digest] = content
            self.uploads.append(digest)

    def put_image(self, manifest: bytes, digest: str, tag: str) -> str:
        document = json.loads(manifest)
        assert self.has_layers([one["digest"] for one in document["layers"]])
        assert document["config"]["digest"] in self.layers
        assert digest_of(manifest) == digest
        self.manifests[digest] = manifest
        return self.tags.setdefault(tag, digest)

    def config_of(self, digest: str) -> dict[str, Any]:
        manifest = json.loads(self.manifests[digest])
        config: dict[str, Any] = json.loads(self.layers[manifest["config"]["digest"]])
        return config

    def files_of(self, digest: str) -> dict[str, tarfile.TarInfo]:
        """The files of an image; a later layer replaces those of former ones."""
        found: dict[str, tarfile.TarInfo] = {}
        for layer in json.loads(self.manifests[digest])["layers"]:
            with tarfile.open(fileobj=io.BytesIO(self.layers[layer["digest"]])) as tar:
                found |= {member.name: member for member in tar}
        return found

    def content_of(self, digest: str, path: str) -> bytes:
        for layer in reversed(json.loads(self.manifests[digest])["layers"]):
            with tarfile.open(fileobj=io.BytesIO(self.layers[layer["digest"]])) as tar:
                if path in tar.getnames():
                    content = tar.extractfile(path)
                    assert content is not None
                    return content.read()
        raise AssertionError(f"no {path}")


@dataclass
class BaseRegistry:
    """A registry that serves images; statuses can be put in front of its answers."""

    url: str
    documents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def add(self, name: str, tag: str, *layers: bytes, architecture: str = "amd64") -> str:
        """Add an image; returns the digest of its manifest."""
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin", f"PYTHON_VERSION={PYTHON}.9"]},
            "rootfs": {"diff_ids": [digest_of(gzip.decompress(layer)) for layer in layers]},
        }
        packed = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "config": {"digest": digest_of(packed), "size": len(packed)},
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": digest_of(layer),
                    "size": len(layer),
                }
                for layer in layers
            ],
        }
        for blob in (packed, *layers):
            self.documents[f"/v2/{name}/blobs/{digest_of(blob)}"] = ("", blob)
        return self.put_manifest(name, tag, manifest)

    def put_manifest(self, name: str, tag: str, manifest: Mapping[str, Any]) -> str:
        content = json.dumps(manifest).encode()
        digest = digest_of(content)
        for version in (tag, digest):
            self.documents[f"/v2/{name}/manifests/{version}"] = ("", content)
        return digest


@pytest.fixture
def base_registry() -> Iterator[BaseRegistry]:
    registry = BaseRegistry("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.requests.append(self.path)
            status = registry.statuses.pop(0) if registry.statuses else 200
            found = registry.documents.get(self.path)
            if status == 200 and found is None:
                status = 404
            content = found[1] if found and status == 200 else b"{}"
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield registry
    server.shutdown()
    server.server_close()


def tar_of(
    files: Mapping[str, str | bytes],
    *,
    modes: Mapping[str, int] | None = None,
    links: Mapping[str, str] | None = None,
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), (modes or {}).get(name, 0o644)
            info.gid = 42 if "shadow" in name else 0
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return gzip.compress(out.getvalue(), mtime=0)


@pytest.fixture
def base_layer() -> bytes:
    """What the Dockerfile's instructions need of Debian."""
    return tar_of(
        {
            "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
            "etc/group": "root:x:0:\n",
            "etc/shadow": "root:*:20000:0:99999:7:::\n",
            "etc/gshadow": "root:*::\n",
            "etc/subuid": "",
            "etc/subgid": "",
            "etc/skel/.profile": "# profile\n",
            "usr/bin/su": "a program",
            "usr/bin/cat": "another program",
            f"usr/local/bin/python{PYTHON}": "an interpreter",
        },
        modes={"usr/bin/su": 0o4755, "usr/bin/cat": 0o755, "etc/shadow": 0o640},
        links={"usr/local/bin/python": f"python{PYTHON}"},
    )


@dataclass
class Wheels:
    """A folder of wheels that serves as package index."""

    folder: Path

    def add(self, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> str:
        """Add a wheel; returns its line for a lock file."""
        info = f"{name}-{version}.dist-info"
        files = {
            f"{name}/__init__.py": f"VERSION = {version!r}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            + "".join(f"Requires-Dist: {one}\n" for one in requires),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
            f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        }
        record = "".join(f"{path},{_record(text)},{len(text)}\n" for path, text in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
        path = self.folder / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for inner, text in files.items():
                archive.writestr(zipfile.ZipInfo(inner), text)
        return f"{name}=={version} --hash={digest_of(path.read_bytes())}\n"

    def add_source_only(self, name: str, version: str) -> None:
        with tarfile.open(self.folder / f"{name}-{version}.tar.gz", "w:gz") as tar:
            for inner, text in (
                ("PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
                ("setup.py", f"from setuptools import setup\nsetup(name={name!r})\n"),
            ):
                info = tarfile.TarInfo(f"{name}-{version}/{inner}")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))


def _record(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@pytest.fixture
def wheels(tmp_path: Path) -> Wheels:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return Wheels(folder)


@dataclass
class Workshop:
    """A source of the image that a test changes, and builders for it."""

    source: Path
    repository: ImageRepository
    registry: BaseRegistry
    wheels: Wheels
    work: Path
    seconds: float = 900
    free_bytes: int = 10 * 2**30

    def builder(self, *, architecture: str = "x86_64", call: int = 1, parts: Any = None) -> Builder:
        options = ("--no-index", "--find-links", str(self.wheels.folder))
        return Builder(
            source=Source(self.source, architecture),
            repository=self.repository,
            base_images=OciRegistry(sleep=lambda _: None),
            packages=Uv(UV, architecture, self.work, options=options),
            folder=self.work,
            budget=Budget(lambda: self.seconds, call),
            parts=dict(parts or {}),
            free_bytes=lambda _: self.free_bytes,
        )

    def build(self) -> str:
        """Build, and return the image's digest."""
        return self.builder().build().digest

    def write(self, name: str, text: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def another(self, folder: Path) -> "Workshop":
        """The same source under another path, with an empty repository."""
        shutil.copytree(self.source, folder / "source")
        return Workshop(
            folder / "source", ImageRepository(), self.registry, self.wheels, folder / "elsewhere"
        )


@pytest.fixture
def workshop(
    tmp_path: Path, wheels: Wheels, base_registry: BaseRegistry, base_layer: bytes
) -> Workshop:
    if not UV.exists():
        pytest.fail(f"{UV} does not exist: run `make install`")
    base_registry.add("python", "slim", base_layer)
    made = Workshop(
        tmp_path / "source", ImageRepository(), base_registry, wheels, tmp_path / "work"
    )
    made.write("Dockerfile", f"ARG PYTHON_IMAGE={base_registry.host}/python:slim\n")
    lock = wheels.add("apache_airflow", "3.3.2").replace("apache_airflow==", "apache-airflow==")
    made.write("requirements.lock", lock + wheels.add("corelib", "1.0"))
    made.write("src/airflow_on_fargate/__init__.py", "")
    made.write("src/airflow_on_fargate/entrypoint.py", "print('started')\n")
    made.write(
        "labels.json",
        '{"revision": "abc", "created": "2026-01-02T03:04:05Z", "build": "7"}',
    )
    return made
