"""Base images from a registry, with its faults."""

import gzip
import json
from pathlib import Path

import pytest
from image_parts import digest_of, tar_of

from build_image.errors import BaseImageError
from build_image.model import Layer
from build_image.registry import OciRegistry, Reference

from .conftest import BaseRegistry

INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def registry() -> OciRegistry:
    return OciRegistry(sleep=lambda _: None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("public.ecr.aws/a/b:1", Reference("public.ecr.aws", "a/b", "1")),
        ("localhost:5000/a", Reference("localhost:5000", "a", "latest")),
        (
            f"ghcr.io/a:1@sha256:{'a' * 64}",
            Reference("ghcr.io", "a", f"sha256:{'a' * 64}"),
        ),
    ],
)
def test_reference_names_registry_path_and_version(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected


@pytest.mark.parametrize("text", ["python", "library/python:3.13", "ghcr.io/a@sha256:1"])
def test_reference_that_is_incomplete_is_refused(text: str) -> None:
    with pytest.raises(BaseImageError, match=r"names no registry|digest that is not"):
        Reference.parse(text)


def test_image_for_the_processor_is_chosen_from_an_index(
    registry: OciRegistry, base_registry: BaseRegistry
) -> None:
    layer = tar_of({"a": "b"})
    arm = base_registry.add("base", "arm", layer, architecture="arm64")
    x86 = base_registry.add("base", "x86", layer)
    manifests = [
        {"digest": x86, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": arm, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": x86, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    base_registry.put_manifest("base", "1", {"mediaType": INDEX, "manifests": manifests})

    found = registry.find(f"{base_registry.host}/base:1", "arm64")

    assert found.digest == arm
    assert found.layers[0].diff_id == digest_of(gzip.decompress(layer))


def test_digest_of_a_tag_is_that_of_the_index(
    registry: OciRegistry, base_registry: BaseRegistry
) -> None:
    """It holds for both processors; each build takes the image for its own."""
    x86 = base_registry.add("base", "x86", tar_of({}))
    arm = base_registry.add("base", "arm", tar_of({}), architecture="arm64")
    manifests = [
        {"digest": x86, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": arm, "platform": {"os": "linux", "architecture": "arm64"}},
    ]
    index = base_registry.put_manifest("base", "1", {"mediaType": INDEX, "manifests": manifests})
    host = base_registry.host

    assert registry.digest_of(f"{host}/base:1") == index
    pinned = f"{host}/base:1@{index}"
    assert registry.find(pinned, "x86_64").digest == x86
    assert registry.find(pinned, "arm64").digest == arm


def test_image_that_is_not_made_for_the_processor_is_named(
    registry: OciRegistry, base_registry: BaseRegistry
) -> None:
    base_registry.add("base", "x86", tar_of({}))
    base_registry.put_manifest("base", "none", {"mediaType": INDEX, "manifests": []})

    for tag in ("x86", "none"):
        with pytest.raises(BaseImageError, match="arm64"):
            registry.find(f"{base_registry.host}/base:{tag}", "arm64")


def test_answer_that_may_succeed_later_is_repeated(
    registry: OciRegistry, base_registry: BaseRegistry
) -> None:
    base_registry.add("base", "1", tar_of({}))
    base_registry.statuses += [429, 503]

    assert registry.find(f"{base_registry.host}/base:1", "x86_64").layers


def test_registry_that_stays_busy_is_named(
    registry: OciRegistry, base_registry: BaseRegistry
) -> None:
    base_registry.statuses += [429] * 20

    with pytest.raises(BaseImageError, match=r"HTTP status 429.*deploy again later"):
        registry.find(f"{base_registry.host}/base:1", "x86_64")

    assert len(base_registry.requests) == 6


def test_manifest_that_differs_from_its_digest_is_refused(
    registry: OciRegistry, base_registry: BaseRegistry
) -> None:
    digest = base_registry.add("base", "1", tar_of({}))
    base_registry.documents[f"/v2/base/manifests/{digest}"] = ("", b'{"layers": []}')

    with pytest.raises(BaseImageError, match="arrived damaged"):
        registry.find(f"{base_registry.host}/base@{digest}", "x86_64")


def test_layer_that_differs_from_its_digest_is_refused(
    registry: OciRegistry, base_registry: BaseRegistry, tmp_path: Path
) -> None:
    good = tar_of({"a": "b"})
    base_registry.add("base", "1", good)
    base_registry.documents[f"/v2/base/blobs/{digest_of(good)}"] = ("", b"x" * len(good))
    layer = Layer(digest_of(good), "", len(good))

    with pytest.raises(BaseImageError, match="its digest is not"):
        registry.fetch(f"{base_registry.host}/base:1", layer, tmp_path / "layer")


def test_layer_of_another_compression_is_refused(
    registry: OciRegistry, base_registry: BaseRegistry
) -> None:
    base_registry.add("base", "1", tar_of({}))
    manifest = json.loads(base_registry.documents["/v2/base/manifests/1"][1])
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
    base_registry.put_manifest("base", "1", manifest)

    with pytest.raises(BaseImageError, match=r"tar\+zstd.*gzip"):
        registry.find(f"{base_registry.host}/base:1", "x86_64")


def test_mirror_takes_the_place_of_the_registry(base_registry: BaseRegistry) -> None:
    base_registry.add("docker/library/python", "3.13", tar_of({}))

    found = OciRegistry(base_registry.url).find(
        "public.ecr.aws/docker/library/python:3.13", "x86_64"
    )

    assert found.layers
