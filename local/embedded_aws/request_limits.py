"""Requests with parameters that the model of the service's API forbids are refused, as on AWS.

ministack 1.5.33 takes values of any length and any characters. Properties of templates are checked
by `cloudformation.limits`; this is for the calls of functions, tasks and commands. S3 and the REST
services (Lambda, Scheduler) name their parameters in the path and the headers, which ministack
parses itself, and are not checked here.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from ministack import app

from embedded_aws.limits import requests
from embedded_aws.settings import Settings

Handler = Callable[..., Awaitable[tuple[int, dict[str, str], bytes]]]

# ministack's name of a service: botocore's name, and the code of its refusals.
_JSON = {
    "codebuild": ("codebuild", "InvalidInputException"),
    "ecr": ("ecr", "InvalidParameterException"),
    "ecs": ("ecs", "InvalidParameterException"),
    "events": ("events", "ValidationException"),
    "logs": ("logs", "InvalidParameterException"),
    "secretsmanager": ("secretsmanager", "ValidationException"),
}
_QUERY = {
    "cloudformation": ("cloudformation", "ValidationError"),
    "elasticloadbalancing": ("elbv2", "ValidationError"),
    "iam": ("iam", "ValidationError"),
    "rds": ("rds", "InvalidParameterValue"),
    "sns": ("sns", "InvalidParameter"),
    "sts": ("sts", "ValidationError"),
}


def install(settings: Settings) -> None:
    for name, (service, code) in _JSON.items():
        app.SERVICE_HANDLERS[name] = _json(app.SERVICE_HANDLERS[name], service, code)
    for name, (service, code) in _QUERY.items():
        app.SERVICE_HANDLERS[name] = _query(app.SERVICE_HANDLERS[name], service, code)


def _json(handler: Handler, service: str, code: str) -> Handler:
    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        problems = requests.json_problems(service, operation, body)
        if not problems:
            return await handler(method, path, headers, body, query)
        answer = {"__type": code, "message": _message(problems)}
        return 400, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()

    return handle


def _query(handler: Handler, service: str, code: str) -> Handler:
    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        parameters = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        operation = parameters.get("Action", "")
        problems = requests.query_problems(service, operation, parameters)
        if not problems:
            return await handler(method, path, headers, body, query)
        answer = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
            f"<Message>{escape(_message(problems))}</Message></Error></ErrorResponse>"
        )
        return 400, {"Content-Type": "text/xml"}, answer.encode()

    return handle


def _message(problems: list[str]) -> str:
    number = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
    return f"{number}: {'; '.join(problems)}"
