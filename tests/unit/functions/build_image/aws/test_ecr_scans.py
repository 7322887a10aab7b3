"""ECR's answers about scans, basic and enhanced."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from build_image.aws.ecr_scans import EcrScans
from build_image.findings.model import NOT_FOUND, UNREADABLE, Finding, Package, Scan
from shared.errors import AccessDeniedError, AwsCallError

NAME = "airflow"
DIGEST = f"sha256:{'a' * 64}"
REQUEST = {"repositoryName": NAME, "imageId": {"imageDigest": DIGEST}, "maxResults": 1000}
COMPLETED = {"imageScanCompletedAt": datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)}


@pytest.fixture
def ecr(stubbed: Callable[[str], Stubber]) -> Stubber:
    return stubbed("ecr")


@pytest.fixture
def scans(ecr: Stubber) -> EcrScans:
    return EcrScans(ecr.client, NAME)


def answer(status: str, found: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "registryId": "1" * 12,
        "repositoryName": NAME,
        "imageId": {"imageDigest": DIGEST},
        "imageScanStatus": {"status": status, "description": "Described."},
        **({} if found is None else {"imageScanFindings": found}),
        **more,
    }


def basic(name: str, severity: str, **attributes: str) -> dict[str, Any]:
    listed = [{"key": key, "value": value} for key, value in attributes.items()]
    return {"name": name, "severity": severity, "attributes": listed}


def enhanced(severity: str, status: str = "ACTIVE", **package: Any) -> dict[str, Any]:
    return {
        "severity": severity,
        "status": status,
        "title": "CVE-2026-1 - openssl",
        "packageVulnerabilityDetails": {
            "vulnerabilityId": "CVE-2026-1",
            "vulnerablePackages": [{"name": "openssl", "version": "3.0.15", **package}],
        },
    }


def test_findings_of_a_basic_scan(ecr: Stubber, scans: EcrScans) -> None:
    found = [
        basic(
            "CVE-2026-2", "LOW",
            package_name="zlib1g", package_version="1.3", CVSS2_SCORE="1.2",
        ),
        basic("CVE-2026-1", "CRITICAL", package_name="openssl", package_version="3.0.15"),
        basic("CVE-2026-3", "UNDEFINED"),
    ]  # fmt: skip
    counts = {"CRITICAL": 1, "LOW": 1, "UNDEFINED": 1}
    described = {**COMPLETED, "findings": found, "findingSeverityCounts": counts}
    ecr.add_response("describe_image_scan_findings", answer("COMPLETE", described), REQUEST)

    assert scans.scan_of(DIGEST) == Scan(
        "COMPLETE",
        "Described.",
        True,
        (
            Finding("CVE-2026-1", "CRITICAL", (Package("openssl", "3.0.15"),)),
            Finding("CVE-2026-2", "LOW", (Package("zlib1g", "1.3"),)),
            Finding("CVE-2026-3", "UNDEFINED"),
        ),
        counts,
    )


def test_findings_of_every_page_count(ecr: Stubber, scans: EcrScans) -> None:
    for number, following in (("1", {"nextToken": "2"}), ("2", {})):
        token = {"nextToken": number} if number == "2" else {}
        described = {**COMPLETED, "findings": [basic(f"CVE-2026-{number}", "HIGH")]}
        ecr.add_response(
            "describe_image_scan_findings",
            answer("COMPLETE", described, **following),
            {**REQUEST, **token},
        )

    found = scans.scan_of(DIGEST).findings

    assert [finding.id for finding in found] == ["CVE-2026-1", "CVE-2026-2"]


def test_scan_that_starts_anew_between_two_pages_is_not_finished(
    ecr: Stubber, scans: EcrScans
) -> None:
    described = {**COMPLETED, "findings": [basic("CVE-2026-1", "LOW")]}
    ecr.add_response(
        "describe_image_scan_findings", answer("COMPLETE", described, nextToken="2"), REQUEST
    )
    ecr.add_response(
        "describe_image_scan_findings", answer("IN_PROGRESS"), {**REQUEST, "nextToken": "2"}
    )

    assert not scans.scan_of(DIGEST).is_finished


def test_findings_of_an_enhanced_scan(ecr: Stubber, scans: EcrScans) -> None:
    found = [
        enhanced("CRITICAL", release="1", fixedInVersion="3.0.16-1"),
        enhanced("HIGH", name="libssl3", fixedInVersion="NotAvailable"),
        # A rule of Inspector has no end, so what it suppresses counts.
        enhanced("CRITICAL", "SUPPRESSED", name="openssl-libs"),
        enhanced("CRITICAL", "CLOSED", name="gone"),
    ]
    described = {**COMPLETED, "enhancedFindings": found}
    ecr.add_response("describe_image_scan_findings", answer("ACTIVE", described), REQUEST)

    scan = scans.scan_of(DIGEST)

    assert scan.is_finished
    assert [str(finding) for finding in scan.findings] == [
        "CVE-2026-1 (CRITICAL): libssl3 3.0.15, openssl 3.0.15-1 (fixed in 3.0.16-1), "
        "openssl-libs 3.0.15"
    ]


def test_finding_that_names_no_package_has_a_name(ecr: Stubber, scans: EcrScans) -> None:
    found = [{"severity": "HIGH", "title": "A title"}, {"severity": "HIGH"}]
    ecr.add_response(
        "describe_image_scan_findings", answer("ACTIVE", {"enhancedFindings": found}), REQUEST
    )

    names = {str(finding) for finding in scans.scan_of(DIGEST).findings}

    assert names == {"A title (HIGH)", "a finding without a name (HIGH)"}


@pytest.mark.parametrize("status", ["ACTIVE", "COMPLETE"])
def test_scan_by_inspector_without_a_result_is_not_finished(
    ecr: Stubber, scans: EcrScans, status: str
) -> None:
    ecr.add_response("describe_image_scan_findings", answer(status, {"findings": []}), REQUEST)

    scan = scans.scan_of(DIGEST)

    assert (scan.is_finished, scan.may_finish) == (False, True)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ScanNotFoundException", NOT_FOUND),
        ("ThrottlingException", UNREADABLE),
        ("ServerException", UNREADABLE),
    ],
)
def test_refusal_that_may_pass_is_a_scan_that_may_finish(
    ecr: Stubber, scans: EcrScans, code: str, status: str
) -> None:
    ecr.add_client_error("describe_image_scan_findings", code, "Said.")

    scan = scans.scan_of(DIGEST)

    assert (scan.status, scan.may_finish) == (status, True)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDeniedException", AccessDeniedError),
        ("ImageNotFoundException", AwsCallError),
        ("RepositoryNotFoundException", AwsCallError),
    ],
)
def test_other_refusals_are_errors(
    ecr: Stubber, scans: EcrScans, code: str, error: type[Exception]
) -> None:
    ecr.add_client_error("describe_image_scan_findings", code, "Said.")

    with pytest.raises(error, match=f"Could not read the scan of {DIGEST} .*{code}: Said"):
        scans.scan_of(DIGEST)
