"""Every request of a role is decided on, recorded, and refused with the permission that it lacks.

ministack decides in its router: it takes action and resource from the request, checks the
signature, and evaluates. Here the permissions that a request needs are put in between, and each
decision is recorded with the statements that apply. Requests of the administrator are not recorded.
"""

import contextvars
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ministack import app
from ministack.core import iam_actions
from ministack.services import sts

from embedded_aws.authorization import engine, record
from embedded_aws.authorization.requests import (
    databases,
    ecs,
    functions,
    images,
    keys,
    logs,
    objects,
    queues,
    roles,
    schedules,
    stacks,
)
from embedded_aws.authorization.requests.request import ApiRequest, Permission
from embedded_aws.codebuild import permissions as builds
from embedded_aws.settings import Settings

# By the namespace of the action.
_SERVICES: dict[str, ModuleType] = {
    "cloudformation": stacks,
    "codebuild": builds,
    "ecr": images,
    "ecs": ecs,
    "iam": roles,
    "lambda": functions,
    "logs": logs,
    "rds": databases,
    "s3": objects,
    "scheduler": schedules,
    "secretsmanager": keys,
    "sns": keys,
    "sqs": queues,
}


@dataclass(frozen=True)
class _Needed:
    """The permissions of the request in hand, and what ministack's router calls it."""

    action: str
    resource: str
    permissions: tuple[Permission, ...]


_needed: contextvars.ContextVar[_Needed | None] = contextvars.ContextVar("needed", default=None)
_refused: contextvars.ContextVar[Permission | None] = contextvars.ContextVar(
    "refused", default=None
)


def install(settings: Settings) -> None:
    record.open_record(settings.iam_record, enforced=settings.enforce_iam)
    _name_resources()
    _decide()
    _name_what_is_missing()
    _treat_this_machine_as_encrypted()


def _name_resources() -> None:
    stock = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        region: str,
        account_id: str,
    ) -> str:
        arguments = (service, method, path, headers, body, query_params)
        resource: str = stock(*arguments, region, account_id)
        action = iam_actions.extract_iam_action(*arguments)
        _needed.set(None)
        if action is not None:
            request = ApiRequest(
                action, method, path, headers, body, query_params, region, resource
            )
            needs = _SERVICES.get(action.partition(":")[0])
            permissions = needs.needs(request) if needs else None
            if permissions:
                resource = permissions[0].resource
                _needed.set(_Needed(action, resource, tuple(permissions)))
        return resource

    iam_actions.extract_resource_arn = extract_resource_arn


def _decide() -> None:
    stock = engine.stock.enforce

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        _refused.set(None)
        needed = _needed.get()
        if needed is None or (needed.action, needed.resource) != (iam_action, resource_arn):
            permissions: tuple[Permission, ...] = (Permission(iam_action, resource_arn),)
        else:
            permissions = needed.permissions
        for permission in permissions:
            # Who signs a request is a user or a role.
            own = {"aws:principalisawsservice": "false"}
            context = {**own, **(service_context or {}), **permission.context}
            result = stock(
                access_key_id, permission.action, service, region, permission.resource, context
            )
            if isinstance(result, engine.stock.AuthError):
                return result
            if not _record(access_key_id, permission, context, region, result is None):
                _refused.set(permission)
                return result
        return None

    engine.stock.enforce = enforce
    engine.stock.parse_policy_document = engine.parse  # each version once, not at each request


def _record(
    access_key_id: str, permission: Permission, context: dict[str, Any], region: str, allowed: bool
) -> bool:
    """Record what was decided; returns whether the request may go on."""
    principal = str((sts._sessions.get(access_key_id) or {}).get("Arn", ""))
    if ":assumed-role/" not in principal:
        return allowed
    policies = engine.role_policies(engine.role_name(principal))
    evaluation = engine.context_of(
        principal, permission.action, permission.resource, context, region
    )
    decision = engine.Decision(
        "identity",
        policies,
        principal,
        permission.action,
        permission.resource,
        allowed,
        engine.used_context(policies, evaluation),
        engine.statements_that_apply(policies, evaluation),
    )
    return record.is_allowed(decision)


def _name_what_is_missing() -> None:
    """AWS names the permission that is missing, which may be another than the request's action."""
    stock = iam_actions.access_denied_response

    def respond(
        service: str, action: str, principal_arn: str, request_id: str, **keywords: Any
    ) -> Any:
        permission = _refused.get()
        if permission is not None and not keywords.get("error_code"):
            explicit = bool(keywords.get("explicit_deny"))
            action = permission.action
            keywords["resource_arn"] = permission.resource
            if not keywords.get("resource_policy_arn"):
                keywords["message"] = iam_actions.identity_denial_message(
                    action, principal_arn, permission.resource, explicit
                )
        return stock(service, action, principal_arn, request_id, **keywords)

    iam_actions.access_denied_response = respond


def _treat_this_machine_as_encrypted() -> None:
    """The local endpoint stands for AWS's HTTPS endpoints, so `aws:SecureTransport` is true."""
    stock = app.pin_request_origin

    def pin(source_ip: str, secure_transport: bool) -> None:
        stock(source_ip, True)

    app.pin_request_origin = pin
