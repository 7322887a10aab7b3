"""Images are made of stored layers, keep their tags, are found and deleted."""

import json
import urllib.request

import pytest
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws
from .conftest import MANIFEST, Repository, digest_of, manifest_of
from .test_layers import refused


def test_image_is_found_by_tag_and_by_digest(repository: Repository) -> None:
    digest = repository.push("one", b"content")

    ecr, name = repository.ecr, repository.name
    for wanted in ({"imageTag": "one"}, {"imageDigest": digest}):
        detail = ecr.describe_images(repositoryName=name, imageIds=[wanted])["imageDetails"][0]
        assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["one"])
        assert detail["imageSizeInBytes"] == len(b"content")
        assert detail["imageManifestMediaType"] == MANIFEST
        image = ecr.batch_get_image(repositoryName=name, imageIds=[wanted])["images"][0]
        assert digest_of(image["imageManifest"].encode()) == digest
    listed = ecr.list_images(repositoryName=name)["imageIds"]
    assert listed == [{"imageDigest": digest, "imageTag": "one"}]


def test_image_is_pulled_by_the_registrys_own_api(
    embedded_aws: EmbeddedAws, repository: Repository
) -> None:
    digest = repository.push("one", b"content")
    base = f"{embedded_aws.endpoint_url}/v2/{repository.name}"

    for version in ("one", digest):
        with urllib.request.urlopen(f"{base}/manifests/{version}") as answer:
            manifest = json.loads(answer.read())
            assert answer.headers["Content-Type"] == MANIFEST
    with urllib.request.urlopen(f"{base}/blobs/{manifest['layers'][0]['digest']}") as answer:
        assert answer.read() == b"content"


@pytest.mark.parametrize("part", ["layer", "config"])
def test_image_with_a_missing_layer_is_refused(repository: Repository, part: str) -> None:
    config = b"{}" if part == "config" else repository.config()
    layer = b"never uploaded" if part == "layer" else repository.layer(b"layer")

    with pytest.raises(
        ClientError, match=digest_of(b"{}" if part == "config" else layer)
    ) as caught:
        repository.put(manifest_of(config, layer), "one")

    assert caught.value.response["Error"]["Code"] == "LayersNotFoundException"
    assert repository.tags() == []


def test_tag_of_another_image_is_refused_where_tags_are_immutable(repository: Repository) -> None:
    first = repository.push("one", b"first")

    with refused("ImageTagAlreadyExistsException"):
        repository.push("one", b"second")

    found = repository.ecr.describe_images(
        repositoryName=repository.name, imageIds=[{"imageTag": "one"}]
    )
    assert found["imageDetails"][0]["imageDigest"] == first


def test_same_image_is_refused_and_gets_further_tags(repository: Repository) -> None:
    repository.push("one")

    with refused("ImageAlreadyExistsException"):
        repository.push("one")
    repository.push("two")

    assert repository.tags() == ["one", "two"]


def test_tag_moves_where_tags_are_mutable(repository: Repository) -> None:
    repository.ecr.put_image_tag_mutability(
        repositoryName=repository.name, imageTagMutability="MUTABLE"
    )
    repository.push("one", b"first")

    second = repository.push("one", b"second")

    found = repository.ecr.describe_images(
        repositoryName=repository.name, filter={"tagStatus": "TAGGED"}
    )["imageDetails"]
    assert [one["imageDigest"] for one in found] == [second]


def test_manifest_that_differs_from_its_digest_is_refused(repository: Repository) -> None:
    manifest = manifest_of(repository.config(), repository.layer(b"layer"))

    with refused("ImageDigestDoesNotMatchException"):
        repository.put(manifest, "one", imageDigest=digest_of(b"another"))
    with refused("InvalidParameterException"):
        repository.put("not a manifest", "one")


def test_unknown_image_is_an_error_of_describe_and_a_failure_of_get(
    repository: Repository,
) -> None:
    ecr, name, unknown = repository.ecr, repository.name, [{"imageTag": "none"}]

    with refused("ImageNotFoundException"):
        ecr.describe_images(repositoryName=name, imageIds=unknown)
    answer = ecr.batch_get_image(repositoryName=name, imageIds=unknown)
    assert answer["failures"][0]["failureCode"] == "ImageNotFound"


def test_image_is_deleted_with_its_last_tag(repository: Repository) -> None:
    ecr, name = repository.ecr, repository.name
    digest = repository.push("one")
    repository.push("two")

    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "one"}])
    assert repository.tags() == ["two"]
    assert ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": digest}])
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "two"}])

    assert ecr.describe_images(repositoryName=name)["imageDetails"] == []


def rule(**selection: object) -> str:
    described = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days"}
    described |= {"countNumber": 7, **selection}  # type: ignore[dict-item]
    return json.dumps(
        {"rules": [{"rulePriority": 1, "selection": described, "action": {"type": "expire"}}]}
    )


def test_lifecycle_policy_is_kept(repository: Repository) -> None:
    ecr, name = repository.ecr, repository.name

    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=rule())

    assert ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"] == rule()


@pytest.mark.parametrize(
    "text",
    [
        "no JSON" * 20,
        json.dumps({"rules": [], "filler": "x" * 100}),
        rule(countNumber=0),
        rule(tagStatus="tagged"),
        rule(tagPrefixList=["a"]),
        rule(countType="imageCountMoreThan"),
        rule(countUnit="weeks"),
        rule(tagStatus="none"),
    ],
)
def test_lifecycle_policy_that_cannot_be_applied_is_refused(
    repository: Repository, text: str
) -> None:
    with refused("InvalidParameterException"):
        repository.ecr.put_lifecycle_policy(
            repositoryName=repository.name, lifecyclePolicyText=text
        )
