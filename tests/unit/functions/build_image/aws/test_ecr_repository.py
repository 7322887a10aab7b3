"""ECR's API, with ECR's answers."""

import datetime
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.stub import Stubber

from build_image.aws import ecr_repository
from build_image.aws.ecr_repository import EcrRepository, RepositoryMissingError, ThrottledError
from build_image.errors import RegistryError
from build_image.image import MANIFEST_TYPE
from shared.errors import AwsCallError

NAME = "airflow"
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"


@pytest.fixture
def ecr(stubbed: Callable[[str], Stubber]) -> Stubber:
    return stubbed("ecr")


@pytest.fixture
def repository(ecr: Stubber) -> EcrRepository:
    return EcrRepository(ecr.client, NAME)


def layer(state: str) -> dict[str, object]:
    return {"layers": [{"layerDigest": DIGEST, "layerAvailability": state}]}


def expect_upload(ecr: Stubber) -> None:
    ecr.add_response("batch_check_layer_availability", layer("UNAVAILABLE"))
    ecr.add_response("initiate_layer_upload", {"uploadId": "u", "partSize": 20971520})


def test_layer_is_uploaded_in_parts(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ecr_repository, "PART_BYTES", 4)
    file = tmp_path / "layer"
    file.write_bytes(b"0123456789")
    expect_upload(ecr)
    for first, last, blob in ((0, 3, b"0123"), (4, 7, b"4567"), (8, 9, b"89")):
        ecr.add_response(
            "upload_layer_part",
            {"lastByteReceived": last},
            {
                "repositoryName": NAME, "uploadId": "u", "partFirstByte": first,
                "partLastByte": last, "layerPartBlob": blob,
            },
        )  # fmt: skip
    ecr.add_response("complete_layer_upload", {"layerDigest": DIGEST})

    repository.push_layer(file, DIGEST)


def test_layer_that_exists_is_not_uploaded(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path
) -> None:
    ecr.add_response("batch_check_layer_availability", layer("AVAILABLE"))

    repository.push_layer(tmp_path / "not read", DIGEST)


def test_layer_that_another_call_completed_is_stored(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path
) -> None:
    (tmp_path / "layer").write_bytes(b"1")
    expect_upload(ecr)
    ecr.add_response("upload_layer_part", {"lastByteReceived": 0})
    ecr.add_client_error("complete_layer_upload", "LayerAlreadyExistsException")

    repository.push_layer(tmp_path / "layer", DIGEST)


@pytest.mark.parametrize("received", [0, 5])
def test_part_whose_answer_was_lost_is_not_an_error(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path, received: int
) -> None:
    (tmp_path / "layer").write_bytes(b"1")
    expect_upload(ecr)
    ecr.add_client_error(
        "upload_layer_part",
        "InvalidLayerPartException",
        modeled_fields={"lastValidByteReceived": received},
    )
    if received == 0:
        ecr.add_response("complete_layer_upload", {"layerDigest": DIGEST})
        repository.push_layer(tmp_path / "layer", DIGEST)
    else:
        with pytest.raises(AwsCallError, match="InvalidLayerPart"):
            repository.push_layer(tmp_path / "layer", DIGEST)


def test_image_is_stored_by_digest_with_its_tag(ecr: Stubber, repository: EcrRepository) -> None:
    ecr.add_response(
        "put_image",
        {},
        {
            "repositoryName": NAME, "imageManifest": "{}", "imageManifestMediaType": MANIFEST_TYPE,
            "imageTag": "content-1", "imageDigest": DIGEST,
        },
    )  # fmt: skip

    assert repository.put_image(b"{}", DIGEST, "content-1") == DIGEST


def test_image_that_has_the_tag_stays(ecr: Stubber, repository: EcrRepository) -> None:
    ecr.add_client_error("put_image", "ImageTagAlreadyExistsException")
    ecr.add_response("describe_images", {"imageDetails": [{"imageDigest": OTHER}]})

    assert repository.put_image(b"{}", DIGEST, "content-1") == OTHER


def test_image_that_was_stored_before_is_found(ecr: Stubber, repository: EcrRepository) -> None:
    ecr.add_client_error("put_image", "ImageAlreadyExistsException")

    assert repository.put_image(b"{}", DIGEST, "content-1") == DIGEST


def test_tag_that_does_not_exist_has_no_image(ecr: Stubber, repository: EcrRepository) -> None:
    ecr.add_client_error("describe_images", "ImageNotFoundException")

    assert repository.digest_of("content-1") is None


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("ThrottlingException", ThrottledError, "Deploy again in some minutes"),
        ("RepositoryNotFoundException", RepositoryMissingError, "create a repository named"),
        ("LimitExceededException", AwsCallError, "LimitExceeded"),
    ],
)
def test_refusal_of_ecr_says_what_to_do(
    ecr: Stubber, repository: EcrRepository, code: str, kind: type[Exception], text: str
) -> None:
    ecr.add_client_error("batch_check_layer_availability", code)

    with pytest.raises(kind, match=f"in the repository {NAME}.*{text}"):
        repository.has_layers([DIGEST])


@pytest.mark.parametrize(
    "operation",
    ["initiate_layer_upload", "upload_layer_part", "complete_layer_upload", "put_image",
     "describe_images", "batch_get_image", "get_download_url_for_layer"],
)  # fmt: skip
def test_throttling_of_any_call_says_that_nothing_is_lost(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path, operation: str
) -> None:
    (tmp_path / "layer").write_bytes(b"1")
    details = {"imageDigest": DIGEST, "imagePushedAt": datetime.datetime.now(datetime.UTC)}
    answers: dict[str, list[tuple[str, dict[str, object]]]] = {
        "push": [
            ("batch_check_layer_availability", layer("UNAVAILABLE")),
            ("initiate_layer_upload", {"uploadId": "u"}),
            ("upload_layer_part", {}),
            ("complete_layer_upload", {}),
        ],
        "put": [("put_image", {})],
        "labels": [
            ("describe_images", {"imageDetails": [details]}),
            ("batch_get_image", {"images": []}),
        ],
        "fetch": [("get_download_url_for_layer", {})],
    }
    calls: dict[str, Callable[[], object]] = {
        "push": lambda: repository.push_layer(tmp_path / "layer", DIGEST),
        "put": lambda: repository.put_image(b"{}", DIGEST, "content-1"),
        "labels": repository.recent_labels,
        "fetch": lambda: repository.fetch_layer(DIGEST, tmp_path / "target"),
    }
    name = next(name for name, steps in answers.items() if operation in dict(steps))
    for step, answer in answers[name]:
        if step == operation:
            ecr.add_client_error(step, "ThrottlingException")
            break
        ecr.add_response(step, answer)

    with pytest.raises(ThrottledError, match=r"in some minutes: what was stored is kept"):
        calls[name]()


def test_labels_of_recent_images_are_read_the_newest_first(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path
) -> None:
    def described(digest: str, day: int) -> dict[str, object]:
        time = datetime.datetime(2026, 1, day, tzinfo=datetime.UTC)
        return {"imageDigest": digest, "imagePushedAt": time}

    ecr.add_response(
        "describe_images", {"imageDetails": [described(DIGEST, 1), described(OTHER, 2)]}
    )
    images = [
        {"imageId": {"imageDigest": DIGEST}, "imageManifest": '{"config": {"digest": "c1"}}'},
        {"imageId": {"imageDigest": OTHER}, "imageManifest": '{"config": {"digest": "c2"}}'},
    ]
    ecr.add_response("batch_get_image", {"images": images})
    for number in (2, 1):
        file = tmp_path / f"c{number}"
        file.write_text(f'{{"config": {{"Labels": {{"number": "{number}"}}}}}}')
        ecr.add_response(
            "get_download_url_for_layer",
            {"downloadUrl": file.as_uri()},
            {"repositoryName": NAME, "layerDigest": f"c{number}"},
        )

    assert [one["number"] for one in repository.recent_labels()] == ["2", "1"]


def test_image_whose_configuration_cannot_be_read_has_no_labels(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path
) -> None:
    """Only time is lost: the parts are made again."""
    details = {"imageDigest": DIGEST, "imagePushedAt": datetime.datetime.now(datetime.UTC)}
    ecr.add_response("describe_images", {"imageDetails": [details]})
    image = {"imageId": {"imageDigest": DIGEST}, "imageManifest": '{"config": {"digest": "c"}}'}
    ecr.add_response("batch_get_image", {"images": [image]})
    ecr.add_response("get_download_url_for_layer", {"downloadUrl": "file:///does/not/exist"})

    assert repository.recent_labels() == [{}]


def expect_download(ecr: Stubber, url: str, digest: str) -> None:
    ecr.add_response(
        "get_download_url_for_layer",
        {"downloadUrl": url},
        {"repositoryName": NAME, "layerDigest": digest},
    )


def test_layer_is_read_and_compared_with_its_digest(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path
) -> None:
    stored = tmp_path / "stored"
    stored.write_bytes(b"a layer")
    digest = f"sha256:{hashlib.sha256(b'a layer').hexdigest()}"
    expect_download(ecr, "file:///does/not/exist", digest)
    expect_download(ecr, stored.as_uri(), digest)

    repository.fetch_layer(digest, tmp_path / "layer")

    assert (tmp_path / "layer").read_bytes() == b"a layer"


@pytest.mark.parametrize(
    ("name", "reason"), [("stored", "arrived damaged"), ("gone", "No such file")]
)
def test_layer_that_cannot_be_read_is_named(
    ecr: Stubber, repository: EcrRepository, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "stored").write_bytes(b"another layer")
    for _ in range(3):
        expect_download(ecr, (tmp_path / name).as_uri(), DIGEST)

    with pytest.raises(RegistryError, match=rf"repository airflow \(.*{reason}.*deploy again"):
        repository.fetch_layer(DIGEST, tmp_path / "layer")


def test_one_part_is_what_ecr_accepts() -> None:
    assert ecr_repository.PART_BYTES <= 20 * 2**20
