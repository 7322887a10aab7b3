"""Images in a folder, in the place of a registry."""

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image_parts import PYTHON, debian_layer, digest_of

from build_image.image import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from build_image.model import ARCHITECTURES, BaseImage, Layer


@dataclass
class OciFolder:
    """An image layout of OCI: the base image of one, the repository of the other."""

    folder: Path
    tags: dict[str, str] = field(default_factory=dict)
    # The bytes of the layers that were stored here.
    uploaded: int = 0

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")

    def add_blob(self, content: bytes) -> dict[str, Any]:
        """Store a blob; returns what a manifest says of it."""
        digest = digest_of(content)
        self.blob(digest).parent.mkdir(parents=True, exist_ok=True)
        self.blob(digest).write_bytes(content)
        return {"digest": digest, "size": len(content)}

    def config(self, digest: str) -> dict[str, Any]:
        """The configuration of an image."""
        manifest = json.loads(self.blob(digest).read_text())
        config: dict[str, Any] = json.loads(self.blob(manifest["config"]["digest"]).read_text())
        return config

    def layers(self, digest: str) -> list[Path]:
        """The layers of an image, the lowest first."""
        manifest = json.loads(self.blob(digest).read_text())
        return [self.blob(layer["digest"]) for layer in manifest["layers"]]

    # --- a registry of base images ---

    def find(self, reference: str, architecture: str) -> BaseImage:
        digest = json.loads((self.folder / "index.json").read_text())["manifests"][0]["digest"]
        manifest = json.loads(self.blob(digest).read_text())
        config = self.config(digest)
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
        return [self.config(digest)["config"]["Labels"] for digest in self.tags.values()][::-1]

    def has_layers(self, digests: Sequence[str]) -> bool:
        return all(self.blob(digest).exists() for digest in digests)

    def push_layer(self, file: Path, digest: str) -> None:
        if not self.blob(digest).exists():
            self.uploaded += file.stat().st_size
            self.add_blob(file.read_bytes())

    def fetch_layer(self, digest: str, target: Path) -> None:
        shutil.copy(self.blob(digest), target)

    def put_image(self, manifest: bytes, digest: str, tag: str) -> str:
        self.blob(digest).write_bytes(manifest)
        entry = {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(manifest)}
        index = {"schemaVersion": 2, "manifests": [entry]}
        (self.folder / "index.json").write_text(json.dumps(index))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        return self.tags.setdefault(tag, digest)


def small_base(folder: Path, architecture: str) -> OciFolder:
    """A base image of a few files, for a processor. Nothing in it can be run."""
    variables = ("PATH=/usr/local/bin:/usr/bin", f"PYTHON_VERSION={PYTHON}.0")
    return base_of(debian_layer(), folder, architecture, *variables)


def base_of(layer: bytes, folder: Path, architecture: str, *variables: str) -> OciFolder:
    """A base image of one compressed layer, with these variables."""
    made = OciFolder(folder)
    config = {
        "architecture": ARCHITECTURES[architecture],
        "os": "linux",
        "config": {"Env": list(variables)},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(layer))]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, **made.add_blob(json.dumps(config).encode())},
        "layers": [{"mediaType": LAYER_TYPE, **made.add_blob(layer)}],
    }
    content = json.dumps(manifest).encode()
    made.put_image(content, digest_of(content), "base")
    return made
