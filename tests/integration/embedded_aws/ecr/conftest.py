"""A repository, and images for it."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from image_parts import debian_layer

from ..conftest import EmbeddedAws

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PART_BYTES = 5 * 2**20


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Repository:
    """A repository and what the tests do with it."""

    ecr: Any
    name: str

    def upload(self, content: bytes, digest: str = "") -> str:
        """Upload a layer in parts; returns its digest."""
        upload = self.ecr.initiate_layer_upload(repositoryName=self.name)["uploadId"]
        for first in range(0, len(content), PART_BYTES):
            self.upload_part(upload, first, content[first : first + PART_BYTES])
        return self.complete(upload, digest or digest_of(content))

    def upload_part(self, upload: str, first: int, part: bytes, last: int | None = None) -> Any:
        return self.ecr.upload_layer_part(
            repositoryName=self.name,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(part) - 1 if last is None else last,
            layerPartBlob=part,
        )

    def complete(self, upload: str, digest: str) -> str:
        answer = self.ecr.complete_layer_upload(
            repositoryName=self.name, uploadId=upload, layerDigests=[digest]
        )
        completed: str = answer["layerDigest"]
        return completed

    def push(self, tag: str | None, content: bytes = b"layer") -> str:
        """Store an image with one layer; returns its digest."""
        return self.put(manifest_of(self.config(), self.layer(content)), tag)

    def put(self, manifest: str, tag: str | None, **arguments: Any) -> str:
        answer = self.ecr.put_image(
            repositoryName=self.name,
            imageManifest=manifest,
            imageManifestMediaType=MANIFEST,
            **({"imageTag": tag} if tag else {}),
            **arguments,
        )
        digest: str = answer["image"]["imageId"]["imageDigest"]
        return digest

    def config(self) -> bytes:
        return self.layer(b'{"architecture": "arm64"}')

    def layer(self, content: bytes) -> bytes:
        found = self.ecr.batch_check_layer_availability(
            repositoryName=self.name, layerDigests=[digest_of(content)]
        )["layers"][0]
        if found["layerAvailability"] != "AVAILABLE":
            self.upload(content)
        return content

    def tags(self) -> list[str]:
        found = self.ecr.describe_images(repositoryName=self.name)["imageDetails"]
        return sorted(tag for one in found for tag in one.get("imageTags", []))


def manifest_of(config: bytes, *layers: bytes) -> str:
    def described(content: bytes) -> dict[str, Any]:
        return {"digest": digest_of(content), "size": len(content)}

    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config),
            "layers": [described(layer) for layer in layers],
        }
    )


@pytest.fixture
def repository(embedded_aws: EmbeddedAws) -> Iterator[Repository]:
    """A repository with immutable tags that scans on push."""
    ecr = embedded_aws.client("ecr")
    name = f"test/{uuid.uuid4().hex[:12]}"
    ecr.create_repository(
        repositoryName=name,
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
    )
    yield Repository(ecr, name)
    ecr.delete_repository(repositoryName=name, force=True)


@pytest.fixture(scope="module")
def base(embedded_aws: EmbeddedAws) -> str:
    return store_base(embedded_aws)


def store_base(aws: EmbeddedAws) -> str:
    """Store a small base image, in the place of the public registry; returns its name."""
    ecr = aws.client("ecr")
    try:
        ecr.create_repository(repositoryName="lambda-base")
    except ecr.exceptions.RepositoryAlreadyExistsException:
        return "public.ecr.aws/lambda-base:slim"
    repository = Repository(ecr, "lambda-base")
    layer = debian_layer()
    config = {
        "architecture": "amd64",
        "config": {"Env": ["PATH=/usr/local/bin"]},
        "rootfs": {"diff_ids": [digest_of(b"")]},
    }
    packed = json.dumps(config).encode()
    manifest = json.loads(manifest_of(repository.layer(packed), repository.layer(layer)))
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    repository.put(json.dumps(manifest), "slim")
    return "public.ecr.aws/lambda-base:slim"
