"""Scans: their states, planted findings, pages, and what ECR refuses."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from build_image.aws.ecr_scans import EcrScans
from build_image.findings.model import NOT_FOUND

from ..conftest import EmbeddedAws, eventually
from .conftest import Repository, digest_of
from .planted_scans import PlantedScans, basic, enhanced
from .test_layers import refused


@pytest.fixture
def planted(embedded_aws: EmbeddedAws) -> Iterator[PlantedScans]:
    scans = PlantedScans(embedded_aws)
    yield scans
    scans.clear()


def describe(repository: Repository, digest: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = repository.ecr.describe_image_scan_findings(
        repositoryName=repository.name, imageId={"imageDigest": digest}, **arguments
    )
    return answer


def status(repository: Repository, digest: str) -> str:
    found: str = describe(repository, digest)["imageScanStatus"]["status"]
    return found


def completed(repository: Repository, digest: str) -> dict[str, Any]:
    eventually(lambda: status(repository, digest) == "COMPLETE")
    return describe(repository, digest)


def test_scan_on_push_completes_without_findings(repository: Repository) -> None:
    digest = repository.push("one")

    assert status(repository, digest) in ("IN_PROGRESS", "COMPLETE")
    found = completed(repository, digest)["imageScanFindings"]

    assert found["findings"] == []
    assert found["findingSeverityCounts"] == {}
    assert abs(found["imageScanCompletedAt"].timestamp() - time.time()) < 600


def test_image_is_not_scanned_where_nothing_says_so(repository: Repository) -> None:
    ecr, name = repository.ecr, repository.name
    ecr.put_image_scanning_configuration(
        repositoryName=name, imageScanningConfiguration={"scanOnPush": False}
    )
    digest = repository.push("one")

    with refused("ScanNotFoundException"):
        describe(repository, digest)
    assert EcrScans(ecr, name).scan_of(digest).status == NOT_FOUND
    ecr.start_image_scan(repositoryName=name, imageId={"imageDigest": digest})
    assert describe(repository, digest)


def test_image_is_scanned_once_in_24_hours(repository: Repository) -> None:
    """The scan on push is the first one."""
    wanted = {"imageDigest": repository.push("one")}

    with refused("LimitExceededException"):
        repository.ecr.start_image_scan(repositoryName=repository.name, imageId=wanted)


def test_planted_findings_are_those_of_the_scan(
    repository: Repository, planted: PlantedScans
) -> None:
    planted.put(
        repository.name,
        findings=[basic("CVE-2026-1", "CRITICAL", "openssl"), basic("CVE-2026-2", "LOW", "zlib")],
    )
    digest = repository.push("one")

    found = completed(repository, digest)["imageScanFindings"]

    assert [one["name"] for one in found["findings"]] == ["CVE-2026-1", "CVE-2026-2"]
    assert found["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 1}
    detail = repository.ecr.describe_images(
        repositoryName=repository.name, imageIds=[{"imageDigest": digest}]
    )["imageDetails"][0]
    assert detail["imageScanStatus"]["status"] == "COMPLETE"
    summary = detail["imageScanFindingsSummary"]
    assert summary["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 1}


def test_findings_of_one_repository_are_not_those_of_another(
    repository: Repository, planted: PlantedScans
) -> None:
    planted.put("another", findings=[basic("CVE-2026-1", "CRITICAL", "openssl")])
    digest = repository.push("one")

    assert completed(repository, digest)["imageScanFindings"]["findings"] == []


def test_findings_come_in_pages(repository: Repository, planted: PlantedScans) -> None:
    findings = [basic(f"CVE-2026-{number:04}", "LOW", "zlib") for number in range(1205)]
    planted.put(repository.name, findings=findings)
    digest = repository.push("one")
    first = completed(repository, digest)

    assert len(first["imageScanFindings"]["findings"]) == 100
    largest = describe(repository, digest, maxResults=1000)
    last = describe(repository, digest, maxResults=1000, nextToken=largest["nextToken"])
    assert len(last["imageScanFindings"]["findings"]) == 205
    assert "nextToken" not in last
    assert last["imageScanStatus"]["status"] == "COMPLETE"
    scan = EcrScans(repository.ecr, repository.name).scan_of(digest)
    assert len(scan.findings) == 1205


@pytest.mark.parametrize("state", ["ACTIVE", "COMPLETE"])
def test_scan_by_inspector_has_its_status_before_it_has_a_result(
    repository: Repository, planted: PlantedScans, state: str
) -> None:
    findings = [enhanced("CVE-2026-1", "CRITICAL", "openssl")]
    scan_of = {"enhanced": True, "status": state, "enhancedFindings": findings}
    planted.put(repository.name, seconds=3600, **scan_of)
    digest = repository.push("one")

    before = describe(repository, digest)
    assert before["imageScanStatus"]["status"] == state
    assert before["imageScanFindings"] == {"findings": []}
    scans = EcrScans(repository.ecr, repository.name)
    assert not scans.scan_of(digest).is_finished

    planted.put(repository.name, seconds=0, **scan_of)
    after = describe(repository, digest)["imageScanFindings"]
    assert after["findingSeverityCounts"] == {"CRITICAL": 1}
    assert "imageScanCompletedAt" in after
    scan = scans.scan_of(digest)
    assert scan.is_finished
    assert [finding.id for finding in scan.findings] == ["CVE-2026-1"]
    # As on AWS, DescribeImages says nothing about it, and no scan can be started.
    wanted = [{"imageDigest": digest}]
    detail = repository.ecr.describe_images(repositoryName=repository.name, imageIds=wanted)
    assert "imageScanStatus" not in detail["imageDetails"][0]
    with refused("ValidationException"):
        repository.ecr.start_image_scan(repositoryName=repository.name, imageId=wanted[0])


@pytest.mark.parametrize("state", ["FAILED", "UNSUPPORTED_IMAGE", "LIMIT_EXCEEDED"])
def test_scan_without_a_result_has_no_findings(
    repository: Repository, planted: PlantedScans, state: str
) -> None:
    planted.put(repository.name, status=state, description="Said.")
    digest = repository.push("one")

    eventually(lambda: status(repository, digest) == state)
    answer = describe(repository, digest)

    assert answer["imageScanStatus"]["description"] == "Said."
    assert "imageScanFindings" not in answer


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"maxResults": 1001}, "InvalidParameterException"),
        ({"nextToken": "never given"}, "InvalidParameterException"),
        ({"nextToken": "7"}, "InvalidParameterException"),
        ({"imageId": {}}, "InvalidParameterException"),
        ({"imageId": {"imageTag": "x" * 301}}, "InvalidParameterException"),
        ({"imageId": {"imageTag": "none"}}, "ImageNotFoundException"),
        ({"imageId": {"imageDigest": digest_of(b"none")}}, "ImageNotFoundException"),
        ({"repositoryName": "none"}, "RepositoryNotFoundException"),
        ({"repositoryName": "Not a name"}, "InvalidParameterException"),
        ({"registryId": "111122223333"}, "RepositoryNotFoundException"),
        ({"registryId": "1"}, "InvalidParameterException"),
    ],
)
def test_request_that_ecr_refuses_is_refused(
    repository: Repository, planted: PlantedScans, arguments: Mapping[str, Any], code: str
) -> None:
    planted.put(repository.name, seconds=0)
    digest = repository.push("one")
    given = {"repositoryName": repository.name, "imageId": {"imageDigest": digest}, **arguments}

    with refused(code):
        repository.ecr.describe_image_scan_findings(**given)


def test_index_of_images_is_not_scanned(repository: Repository) -> None:
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": []})
    answer = repository.ecr.put_image(
        repositoryName=repository.name,
        imageManifest=index,
        imageManifestMediaType=kind,
        imageTag="index",
    )
    wanted = {"imageDigest": answer["image"]["imageId"]["imageDigest"]}

    with refused("UnsupportedImageTypeException"):
        repository.ecr.start_image_scan(repositoryName=repository.name, imageId=wanted)


@pytest.mark.parametrize(
    "scan",
    [
        {"findings": [{"name": "CVE-2026-1", "severety": "LOW", "severity": "LOW"}]},
        {"findings": [{"name": 5, "severity": "LOW"}]},
        {"status": "DONE"},
    ],
)
def test_planted_scan_that_ecr_could_not_give_is_an_error(
    repository: Repository, planted: PlantedScans, scan: dict[str, Any]
) -> None:
    digest = repository.push("one")
    planted.put(repository.name, seconds=0, **scan)

    with pytest.raises(ClientError, match=r"ecr-scans\.json"):
        describe(repository, digest)
