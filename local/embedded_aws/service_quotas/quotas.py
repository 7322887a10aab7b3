"""GetServiceQuota, with the values that a file says.

The quotas that the product asks for are 1,000, unless `service-quotas.json` in the state folder
says otherwise: {"fargate/L-3032A538": 6}. It is read at each call. Nothing here enforces them: a
process of this machine starts whatever the quota is. ministack 1.5.33 has no Service Quotas.
"""

import json
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)

from embedded_aws.settings import Settings

FILE = "service-quotas.json"
_SERVICE = "servicequotas"
_TARGET = "ServiceQuotasV20190624"
_NAMES = {"fargate/L-3032A538": "Fargate On-Demand vCPU resource count"}
_VALUE = 1000.0

_file = Path(FILE)

Response = tuple[int, dict[str, str], bytes]


def install(settings: Settings) -> None:
    global _file
    _file = settings.state_dir / FILE
    _file.unlink(missing_ok=True)
    router.SERVICE_PATTERNS[_SERVICE] = {
        "target_prefixes": [_TARGET],
        "host_patterns": [r"servicequotas\."],
        "credential_scope": _SERVICE,
    }
    iam_actions.SERVICE_TO_IAM_NAMESPACE[_SERVICE] = _SERVICE
    app.SERVICE_HANDLERS[_SERVICE] = _handle


async def _handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Response:
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation != "GetServiceQuota":
        return _error("InvalidAction", f"The embedded AWS does not have {operation}.")
    asked = json.loads(body or b"{}")
    key = f"{asked.get('ServiceCode')}/{asked.get('QuotaCode')}"
    if key not in _NAMES:
        return _error("NoSuchResourceException", f"The embedded AWS has no quota {key}.")
    service, code = key.split("/")
    arn = f"arn:aws:{_SERVICE}:{get_region()}:{get_account_id()}:{key}"
    quota = {
        "ServiceCode": service,
        "QuotaCode": code,
        "QuotaArn": arn,
        "QuotaName": _NAMES[key],
        "Value": float(_values().get(key, _VALUE)),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
    response: Response = json_response({"Quota": quota})
    return response


def _values() -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads(_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _error(code: str, message: str) -> Response:
    response: Response = error_response_json(code, message, 400)
    return response
