"""The results of ECR's scans: basic scanning, and enhanced scanning by Inspector."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from build_image.findings.model import NOT_FOUND, UNREADABLE, Finding, Package, Scan, merged
from shared.aws.named_errors import error_code, error_message, named_errors

# What may succeed later, although the client has repeated the call.
_PASSING = (
    "ServerException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "TooManyRequestsException",
)
# What Inspector says where no version has a fix.
_NO_FIX = "NOTAVAILABLE"


class EcrScans:
    """See ImageScans in ports."""

    def __init__(self, ecr: Any, repository: str) -> None:
        self._ecr = ecr
        self._repository = repository

    def scan_of(self, digest: str) -> Scan:
        with named_errors(f"read the scan of {digest} in the repository {self._repository}"):
            try:
                return self._scan(digest)
            except ClientError as error:
                code = error_code(error)
                if code == "ScanNotFoundException":
                    return Scan(NOT_FOUND)
                if code in _PASSING:
                    return Scan(UNREADABLE, f"{code}: {error_message(error)}")
                raise

    def _scan(self, digest: str) -> Scan:
        # 1,000 findings a page are the most that ECR gives.
        pages = self._ecr.get_paginator("describe_image_scan_findings").paginate(
            repositoryName=self._repository,
            imageId={"imageDigest": digest},
            PaginationConfig={"PageSize": 1000},
        )
        status: Mapping[str, Any] = {}
        has_result = False
        findings: list[Finding] = []
        counts: dict[str, int] = {}
        for page in pages:
            # A scan that starts again between two pages is not finished.
            status = page.get("imageScanStatus") or status
            found = page.get("imageScanFindings") or {}
            has_result = has_result or "imageScanCompletedAt" in found
            counts |= found.get("findingSeverityCounts") or {}
            findings += _basic(found.get("findings") or ())
            findings += _enhanced(found.get("enhancedFindings") or ())
        return Scan(
            str(status.get("status", "")),
            str(status.get("description") or ""),
            has_result,
            merged(findings),
            counts,
        )


def _basic(findings: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for finding in findings:
        attributes = {
            str(one["key"]): str(one.get("value", "")) for one in finding.get("attributes") or ()
        }
        name = attributes.get("package_name", "")
        packages = (Package(name, attributes.get("package_version", "")),) if name else ()
        yield Finding(
            str(finding.get("name") or "a finding without a name"),
            str(finding.get("severity", "UNDEFINED")),
            packages,
        )


def _enhanced(findings: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for finding in findings:
        # A finding that a rule of Inspector suppresses counts: such a rule has no end.
        if finding.get("status") == "CLOSED":
            continue
        details = finding.get("packageVulnerabilityDetails") or {}
        yield Finding(
            str(
                details.get("vulnerabilityId") or finding.get("title") or "a finding without a name"
            ),
            str(finding.get("severity", "UNTRIAGED")),
            tuple(_package(one) for one in details.get("vulnerablePackages") or ()),
        )


def _package(described: Mapping[str, Any]) -> Package:
    version, release = described.get("version", ""), described.get("release")
    fixed = str(described.get("fixedInVersion") or "")
    return Package(
        str(described.get("name") or ""),
        f"{version}-{release}" if release else str(version),
        "" if fixed.upper().replace("_", "") == _NO_FIX else fixed,
    )
