"""A small base image in a registry on this machine, tiny wheels, and a repository in a folder."""

import gzip
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from image_parts import PYTHON, UV, Wheels, debian_layer, digest_of

from build_image.budget import Budget
from build_image.builder import Builder
from build_image.registry import OciRegistry
from build_image.source import Source
from build_image.uv import Uv

REPOSITORY = Path(__file__).resolve().parents[4]
SITE_PACKAGES = f"opt/venv/lib/python{PYTHON}/site-packages"


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

    def fetch_layer(self, digest: str, target: Path) -> None:
        target.write_bytes(self.layers[digest])

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


@pytest.fixture
def base_layer() -> bytes:
    return debian_layer()


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
    # The package index; without it, the folder of wheels.
    uv_options: tuple[str, ...] | None = None
    uv_environment: Mapping[str, str] = field(default_factory=dict)

    def builder(self, *, architecture: str = "x86_64", call: int = 1, parts: Any = None) -> Builder:
        options = self.uv_options
        if options is None:
            options = ("--no-index", "--find-links", str(self.wheels.folder))
        return Builder(
            source=Source(self.source, architecture),
            repository=self.repository,
            base_images=OciRegistry(sleep=lambda _: None),
            packages=Uv(UV, architecture, self.work, self.uv_environment, options),
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
    airflow = {
        "airflow/__init__.py": "",
        "airflow/plugins_manager.py": "class AirflowPlugin: ...\n",
    }
    lock = wheels.add("apache_airflow", "3.3.2", modules=airflow)
    lock = lock.replace("apache_airflow==", "apache-airflow==")
    tests = {"corelib/tests/test_corelib.py": "", "corelib/types.pyi": ""}
    made.write("requirements.lock", lock + wheels.add("corelib", "1.0", modules=tests))
    made.write("src/airflow_on_fargate/__init__.py", "")
    made.write("src/airflow_on_fargate/entrypoint.py", "print('started')\n")
    made.write(
        "labels.json",
        '{"revision": "abc", "created": "2026-01-02T03:04:05Z", "build": "7"}',
    )
    return made
