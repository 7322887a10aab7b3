"""Scans of images: their states, and the findings that a file says. Nothing here knows any.

A scan takes a second and finds nothing, unless `ecr-scans.json` in the state folder says otherwise
for the repository's name, or for `*`, all of them. It is read at each call, so what a test writes
counts at once, also for images that were scanned before:

{"*": {"findings": [...], "enhancedFindings": [...], "status": "FAILED", "description": "...",
       "seconds": 60, "enhanced": true}}

`enhanced` stands for enhanced scanning by Inspector, which has other findings, and another status:
ACTIVE where it scans continuously, and COMPLETE where it scans on push, both from the beginning
(github.com/aws/aws-cli/issues/6759 and github.com/aws/aws-sdk/issues/289).
ministack 1.5.33 has no scans.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import ecr

from embedded_aws.ecr.layers import Data, in_repository
from embedded_aws.settings import Settings

FILE = "ecr-scans.json"
_SCAN_SECONDS = 1.0
_QUOTA_SECONDS = 24 * 60 * 60
_PAGE = 100
_MAX_PAGE = 1000
_IMAGE_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True)
class _Scan:
    """When a scan began, by two clocks: the first does not jump, the second has a date."""

    began: float
    date: float


# (account, repository, digest) -> the last scan.
_scans: dict[tuple[str, str, str], _Scan] = {}
_file = Path(FILE)


def install(settings: Settings) -> None:
    global _file
    _file = settings.state_dir / FILE
    _file.unlink(missing_ok=True)
    handle = ecr.handle_request
    operations = {
        "DescribeImageScanFindings": in_repository(_describe_findings),
        "StartImageScan": in_repository(_start),
    }

    async def handle_scans(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Any:
        operation = operations.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await handle(method, path, headers, body, query_params)
        return operation(json.loads(body or b"{}"))

    ecr.handle_request = handle_scans


def scan_on_push(name: str, digest: str) -> None:
    """Begin the scan of a new image, if its repository says so."""
    configuration = ecr._repositories[name].get("imageScanningConfiguration") or {}
    if configuration.get("scanOnPush"):
        _begin(name, digest)


def details_of(name: str, digest: str) -> Data:
    """What DescribeImages says about an image's scan: nothing about one by Inspector."""
    scan = _scans.get((get_account_id(), name, digest))
    if scan is None or is_enhanced(name):
        return {}
    status = _status(scan, _planted(name))
    details: Data = {"imageScanStatus": status}
    if status["status"] == "COMPLETE":
        found = _results(scan, _planted(name))
        details["imageScanFindingsSummary"] = {
            key: found[key]
            for key in (
                "imageScanCompletedAt",
                "vulnerabilitySourceUpdatedAt",
                "findingSeverityCounts",
            )
        }
    return details


def is_enhanced(name: str) -> bool:
    """Whether Inspector scans the repository."""
    return bool(_planted(name).get("enhanced"))


def _begin(name: str, digest: str) -> None:
    _scans[get_account_id(), name, digest] = _Scan(time.monotonic(), time.time())


def _start(data: Data) -> Any:
    image = _image(data)
    if image is None:
        return _not_found(data)
    name, digest = data["repositoryName"], image["imageDigest"]
    if is_enhanced(name):
        return _refused("ValidationException", "This feature is disabled")
    kind = image.get("imageManifestMediaType")
    if kind not in _IMAGE_TYPES:
        return _refused(
            "UnsupportedImageTypeException",
            f"An artifact with media type '{kind}' cannot be scanned. For more information, see "
            "the Amazon ECR documentation.",
        )
    former = _scans.get((get_account_id(), name, digest))
    if former and time.monotonic() - former.began < _QUOTA_SECONDS:
        return _refused(
            "LimitExceededException",
            "The scan quota per image has been exceeded. Wait and try again.",
        )
    _begin(name, digest)
    return json_response(_answer(name, image, {"status": "IN_PROGRESS"}))


def _describe_findings(data: Data) -> Any:
    registry = data.get("registryId") or get_account_id()
    if registry != get_account_id():
        return _refused(
            "RepositoryNotFoundException",
            f"The repository with name '{data['repositoryName']}' does not exist in the registry "
            f"with id '{registry}'",
        )
    image_id = data.get("imageId") or {}
    if not image_id.get("imageDigest") and not image_id.get("imageTag"):
        return _refused(
            "InvalidParameterException",
            "Invalid request parameters: imageId needs an imageDigest or an imageTag",
        )
    image = _image(data)
    if image is None:
        return _not_found(data)
    name, digest = data["repositoryName"], image["imageDigest"]
    scan = _scans.get((get_account_id(), name, digest))
    if scan is None:
        return _refused(
            "ScanNotFoundException",
            f"Image scan does not exist for the image with '{digest}' in the "
            f"repository with name '{name}' in the registry with id '{get_account_id()}'",
        )
    planted = _planted(name)
    if problems := _problems(planted):
        return error_response_json("ServerException", f"{FILE}: {problems}", 500)
    status = _status(scan, planted)
    answer = _answer(name, image, status)
    if status["status"] in ("COMPLETE", "ACTIVE"):
        page = _page(_results(scan, planted), data)
        if page is None:
            return _refused("InvalidParameterException", "Invalid parameter: nextToken")
        answer |= page
    return json_response(answer)


def _status(scan: _Scan, planted: Data) -> Data:
    if planted.get("enhanced"):
        usual = {"status": "ACTIVE", "description": "Continuous scan is selected for image."}
    else:
        usual = {
            "status": "COMPLETE",
            "description": "The scan was completed successfully.",
        }
        if not _is_over(scan, planted):
            return {"status": "IN_PROGRESS"}
    if "status" in planted:
        return {key: planted[key] for key in ("status", "description") if key in planted}
    return usual


def _results(scan: _Scan, planted: Data) -> Data:
    """What was found; until a scan by Inspector has ended, nothing with no time."""
    if not _is_over(scan, planted):
        return {"findings": []}
    key = "enhancedFindings" if planted.get("enhanced") else "findings"
    findings = planted.get(key) or []
    date = scan.date + planted.get("seconds", _SCAN_SECONDS)
    return {
        "imageScanCompletedAt": date,
        "vulnerabilitySourceUpdatedAt": date,
        "findingSeverityCounts": dict(Counter(one["severity"] for one in findings)),
        key: findings,
    }


def _page(found: Data, data: Data) -> Data | None:
    """A part of the findings; None for a token that was never given."""
    key = "enhancedFindings" if "enhancedFindings" in found else "findings"
    size, token = int(data.get("maxResults") or _PAGE), data.get("nextToken") or "0"
    first = int(token) if token.isdecimal() else -1
    if not 0 <= first <= max(0, len(found[key]) - 1):
        return None
    last = first + min(size, _MAX_PAGE)
    page: Data = {"imageScanFindings": {**found, key: found[key][first:last]}}
    if last < len(found[key]):
        page["nextToken"] = str(last)
    return page


def _is_over(scan: _Scan, planted: Data) -> bool:
    seconds: float = planted.get("seconds", _SCAN_SECONDS)
    return time.monotonic() - scan.began >= seconds


def _planted(name: str) -> Data:
    try:
        documents = json.loads(_file.read_text())
    except FileNotFoundError:
        return {}
    found: Data = documents.get(name) or documents.get("*") or {}
    return found


def _problems(planted: Data) -> str:
    """What ECR's own model does not allow: a test that plants it would prove nothing."""
    model = botocore.session.get_session().get_service_model("ecr")
    findings = {key: planted[key] for key in ("findings", "enhancedFindings") if key in planted}
    shape = model.shape_for("ImageScanFindings")
    unknown = [
        str(key)
        for name, each in findings.items()
        for one in each
        for key in one
        if key not in shape.members[name].member.members
    ]
    report: str = ParamValidator().validate(findings, shape).generate_report()
    states = model.shape_for("ScanStatus").enum
    if planted.get("status", states[0]) not in states:
        unknown.append(planted["status"])
    return report or ", ".join(unknown)


def _answer(name: str, image: Data, status: Data) -> Data:
    return {
        "registryId": get_account_id(),
        "repositoryName": name,
        "imageId": image["imageId"],
        "imageScanStatus": status,
    }


def _image(data: Data) -> Data | None:
    found: Data | None = ecr._find_image(data["repositoryName"], data.get("imageId") or {})
    return found


def _not_found(data: Data) -> Any:
    return _refused(
        "ImageNotFoundException",
        f"The image does not exist within the repository with name '{data['repositoryName']}'",
    )


def _refused(code: str, message: str) -> Any:
    return error_response_json(code, message, 400)
