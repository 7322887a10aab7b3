"""Scans of images: their states, without findings, because nothing here knows vulnerabilities.

A scan is IN_PROGRESS for a second and then COMPLETE. ministack 1.5.33 has no scans.
"""

import json
import time
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import ecr

from embedded_aws.ecr.layers import Data, in_repository
from embedded_aws.settings import Settings

_SCAN_SECONDS = 1.0
# (account, repository, digest) -> when the scan began.
_scans: dict[tuple[str, str, str], float] = {}


def install(settings: Settings) -> None:
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
        _scans[get_account_id(), name, digest] = time.monotonic()


def status_of(name: str, digest: str) -> str | None:
    """The state of an image's scan; None if there was none."""
    began = _scans.get((get_account_id(), name, digest))
    if began is None:
        return None
    return "COMPLETE" if time.monotonic() - began >= _SCAN_SECONDS else "IN_PROGRESS"


def _start(data: Data) -> Any:
    image = _image(data)
    if image is None:
        return _not_found(data)
    name, digest = data["repositoryName"], image["imageDigest"]
    _scans[get_account_id(), name, digest] = time.monotonic()
    return json_response(_answer(name, image, "IN_PROGRESS"))


def _describe_findings(data: Data) -> Any:
    image = _image(data)
    if image is None:
        return _not_found(data)
    name = data["repositoryName"]
    status = status_of(name, image["imageDigest"])
    if status is None:
        return error_response_json(
            "ScanNotFoundException",
            f"Image scan does not exist for the image with '{image['imageDigest']}' in the "
            f"repository with name '{name}'",
            400,
        )
    answer = _answer(name, image, status)
    if status == "COMPLETE":
        answer["imageScanFindings"] = {"findings": [], "findingSeverityCounts": {}}
    return json_response(answer)


def _answer(name: str, image: Data, status: str) -> Data:
    return {
        "registryId": get_account_id(),
        "repositoryName": name,
        "imageId": image["imageId"],
        "imageScanStatus": {"status": status},
    }


def _image(data: Data) -> Data | None:
    found: Data | None = ecr._find_image(data["repositoryName"], data.get("imageId") or {})
    return found


def _not_found(data: Data) -> Any:
    return error_response_json(
        "ImageNotFoundException",
        f"The image does not exist within the repository with name '{data['repositoryName']}'",
        400,
    )
