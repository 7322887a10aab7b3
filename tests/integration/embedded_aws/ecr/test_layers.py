"""Layers are stored in parts, in order, and read again."""

import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from .conftest import PART_BYTES, Repository, digest_of


@contextmanager
def refused(code: str) -> Iterator[ClientError]:
    with pytest.raises(ClientError) as caught:
        yield caught  # type: ignore[misc]
    assert caught.value.response["Error"]["Code"] == code, caught.value


def test_layer_is_uploaded_in_parts_and_downloaded(repository: Repository) -> None:
    content = b"a" * PART_BYTES + b"b" * PART_BYTES + b"the rest"

    digest = repository.upload(content)

    ecr = repository.ecr
    found = ecr.batch_check_layer_availability(
        repositoryName=repository.name, layerDigests=[digest, digest_of(b"other"), "nonsense"]
    )
    assert [one["layerAvailability"] for one in found["layers"]] == ["AVAILABLE", "UNAVAILABLE"]
    assert found["layers"][0]["layerSize"] == len(content)
    assert found["failures"][0]["failureCode"] == "InvalidLayerDigest"
    url = ecr.get_download_url_for_layer(repositoryName=repository.name, layerDigest=digest)
    with urllib.request.urlopen(url["downloadUrl"]) as answer:
        assert answer.read() == content


def test_first_call_names_the_size_of_parts(repository: Repository) -> None:
    answer = repository.ecr.initiate_layer_upload(repositoryName=repository.name)

    assert answer["partSize"] == 20 * 2**20


def test_part_out_of_order_is_refused_and_the_last_byte_named(repository: Repository) -> None:
    upload = repository.ecr.initiate_layer_upload(repositoryName=repository.name)["uploadId"]
    repository.upload_part(upload, 0, b"12345")

    for first in (0, 3, 9):
        with pytest.raises(ClientError) as caught:
            repository.upload_part(upload, first, b"678")
        assert caught.value.response["Error"]["Code"] == "InvalidLayerPartException"
        assert caught.value.response["lastValidByteReceived"] == 4
    assert repository.upload_part(upload, 5, b"678")["lastByteReceived"] == 7


def test_part_that_is_shorter_than_it_says_is_refused(repository: Repository) -> None:
    upload = repository.ecr.initiate_layer_upload(repositoryName=repository.name)["uploadId"]

    with refused("InvalidLayerPartException"):
        repository.upload_part(upload, 0, b"123", last=9)


def test_part_that_is_too_large_is_refused(repository: Repository) -> None:
    upload = repository.ecr.initiate_layer_upload(repositoryName=repository.name)["uploadId"]

    with refused("InvalidParameterException"):
        repository.upload_part(upload, 0, bytes(20 * 2**20 + 1))
    assert repository.upload_part(upload, 0, bytes(20 * 2**20))["lastByteReceived"] > 0


def test_part_before_the_last_that_is_too_small_is_refused(repository: Repository) -> None:
    upload = repository.ecr.initiate_layer_upload(repositoryName=repository.name)["uploadId"]
    repository.upload_part(upload, 0, b"12345")
    repository.upload_part(upload, 5, b"678")

    with refused("LayerPartTooSmallException"):
        repository.complete(upload, digest_of(b"12345678"))


def test_layer_that_differs_from_its_digest_is_not_stored(repository: Repository) -> None:
    with refused("InvalidLayerException"):
        repository.upload(b"content", digest_of(b"other content"))

    with refused("LayersNotFoundException"):
        repository.ecr.get_download_url_for_layer(
            repositoryName=repository.name, layerDigest=digest_of(b"content")
        )


def test_layer_that_exists_is_refused(repository: Repository) -> None:
    repository.upload(b"content")

    with refused("LayerAlreadyExistsException"):
        repository.upload(b"content")


def test_upload_without_parts_is_refused(repository: Repository) -> None:
    upload = repository.ecr.initiate_layer_upload(repositoryName=repository.name)["uploadId"]

    with refused("EmptyUploadException"):
        repository.complete(upload, digest_of(b""))


def test_unknown_upload_is_refused(repository: Repository) -> None:
    with refused("UploadNotFoundException"):
        repository.upload_part(str(uuid.uuid4()), 0, b"1")
    with refused("UploadNotFoundException"):
        repository.complete(str(uuid.uuid4()), digest_of(b"1"))


def test_unknown_repository_is_refused_by_every_operation(repository: Repository) -> None:
    other = Repository(repository.ecr, "test/none")

    for operation in (
        lambda: other.ecr.initiate_layer_upload(repositoryName=other.name),
        lambda: other.upload_part(str(uuid.uuid4()), 0, b"1"),
        lambda: other.complete(str(uuid.uuid4()), digest_of(b"1")),
        lambda: other.layer(b"1"),
        lambda: other.put("{}", "one"),
        lambda: other.tags(),
    ):
        with refused("RepositoryNotFoundException"):
            operation()


def test_layer_of_a_deleted_repository_is_gone(repository: Repository) -> None:
    ecr, name = repository.ecr, repository.name
    digest = repository.upload(b"content")
    ecr.delete_repository(repositoryName=name)
    ecr.create_repository(repositoryName=name)

    found = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[digest])

    assert found["layers"][0]["layerAvailability"] == "UNAVAILABLE"
