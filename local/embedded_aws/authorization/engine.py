"""The part of ministack's IAM that this folder uses, and the decisions that are made with it.

ministack brings the evaluation of policies. It decides on requests; here the same evaluation also
decides what services do with a role or by a resource's policy. Each version is parsed once.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ministack.core import iam_evaluator as stock_evaluator
from ministack.core.responses import get_region
from ministack.services import iam

from embedded_aws.settings import ACCOUNT_ID

# ministack's module, whose private names this package uses and replaces.
stock: Any = stock_evaluator

ASSUME_ROLE = "sts:AssumeRole"
_parse = stock_evaluator.parse_policy_document

Document = dict[str, Any]


@dataclass(frozen=True)
class Policies:
    """The policies of one subject in one version: a role, or a resource such as a function."""

    subject: str  # role/NAME, function/NAME, bucket/NAME
    documents: Mapping[str, Document]  # by name: each inline policy, `trust`, `policy`
    version: str = ""
    # Every key that a condition names, in lower case.
    condition_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Decision:
    """What was decided on one action, and why."""

    kind: str  # identity, trust or resource: which policies have to allow it
    policies: Policies
    principal: str
    action: str
    resource: str
    allowed: bool
    context: Mapping[str, Any] = field(default_factory=dict)
    # The statements that apply, as `document#index`.
    statements: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The sentence with which AWS refuses the action."""
        text: str = identity_message(self.action, self.principal, self.resource)
        return text


def identity_message(action: str, principal: str, resource: str) -> str:
    return (
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


@lru_cache(maxsize=2048)
def _parsed(text: str) -> list[Any]:
    statements: list[Any] = _parse(text)
    return statements


def parse(document: str | Document) -> list[Any]:
    """The statements of a policy document; parsed once for each text."""
    return _parsed(document if isinstance(document, str) else json.dumps(document))


@lru_cache(maxsize=2048)
def _policies(subject: str, texts: tuple[tuple[str, str], ...]) -> Policies:
    keys = {
        key.lower()
        for _name, text in texts
        for statement in _parsed(text)
        for block in statement.conditions.values()
        for key in block
    }
    return Policies(
        subject,
        {name: json.loads(text) for name, text in texts},
        hashlib.sha256(repr(texts).encode()).hexdigest()[:12],
        frozenset(keys),
    )


def policies_of(subject: str, documents: Mapping[str, str | Document]) -> Policies:
    """The policies of a subject, as one object for each version."""
    texts = tuple(
        (name, document if isinstance(document, str) else json.dumps(document))
        for name, document in documents.items()
    )
    return _policies(subject, texts)


def role_named(name: str) -> dict[str, Any] | None:
    """ministack's record of a role."""
    record: dict[str, Any] | None = iam._roles.get_scoped(ACCOUNT_ID, None, name)
    return record


def role_name(arn: str) -> str:
    """The name in a role's ARN, or in the ARN of one of its sessions."""
    if ":assumed-role/" in arn:
        return arn.split(":assumed-role/", 1)[1].split("/", 1)[0]
    return arn.rsplit("/", 1)[-1]


def role_policies(name: str) -> Policies:
    """What a role may do: its inline and attached policies."""
    role = role_named(name) or {}
    documents = dict(role.get("InlinePolicies") or {})
    for arn in role.get("AttachedPolicies") or []:
        documents[arn] = stock._resolve_managed_policy_document(arn, ACCOUNT_ID) or {}
    return policies_of(f"role/{name}", documents)


def trust_policies(name: str) -> Policies:
    """Who may assume a role."""
    document = (role_named(name) or {}).get("AssumeRolePolicyDocument") or {}
    return policies_of(f"role/{name}", {"trust": document})


def context_of(
    principal: str, action: str, resource: str, context: Mapping[str, Any], region: str = ""
) -> Any:
    """ministack's evaluation context, of a caller on a secure connection."""
    return stock.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole" if ":assumed-role/" in principal else "Service",
        principal_account=ACCOUNT_ID,
        action=action,
        resource_arn=resource,
        region=region or get_region(),
        secure_transport=True,
        service_context={
            "aws:principalisawsservice": str(":assumed-role/" not in principal).lower(),
            **{key.lower(): value for key, value in context.items()},
        },
    )


def statements_that_apply(policies: Policies, evaluation: Any) -> tuple[str, ...]:
    """The Allow statements that match, whatever principal the statement names."""
    return tuple(
        f"{name}#{index}"
        for name, document in policies.documents.items()
        for index, statement in enumerate(parse(document))
        if stock._first_match(evaluation, [statement], "Allow")
    )


def used_context(policies: Policies, evaluation: Any) -> dict[str, Any]:
    """The values of the context that the policies refer to."""
    values = {key: stock._resolve_condition_key(key, evaluation) for key in policies.condition_keys}
    return {key: value for key, value in sorted(values.items()) if value is not None}


def decide_for_role(
    role_arn: str,
    session: str,
    action: str,
    resource: str,
    context: Mapping[str, Any] | None = None,
) -> Decision:
    """Whether a service may do something with a role that it has assumed."""
    name = role_name(role_arn)
    principal = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{name}/{session}"
    evaluation = context_of(principal, action, resource, context or {})
    policies = role_policies(name)
    parsed = [parse(document) for document in policies.documents.values()]
    allowed = stock.evaluate(evaluation, parsed).decision == "Allow"
    return Decision(
        "identity",
        policies,
        principal,
        action,
        resource,
        allowed,
        used_context(policies, evaluation),
        statements_that_apply(policies, evaluation),
    )


def decide_trust(role_arn: str, service: str, context: Mapping[str, Any]) -> Decision:
    """Whether a service may assume a role, by the role's trust policy."""
    return _decide_by_document(
        "trust", trust_policies(role_name(role_arn)), service, ASSUME_ROLE, role_arn, context
    )


def decide_by_resource(
    policies: Policies, service: str, action: str, resource: str, context: Mapping[str, Any]
) -> Decision:
    """Whether a service may act on a resource, by the resource's own policy."""
    return _decide_by_document("resource", policies, service, action, resource, context)


def _decide_by_document(
    kind: str,
    policies: Policies,
    service: str,
    action: str,
    resource: str,
    context: Mapping[str, Any],
) -> Decision:
    evaluation = context_of(service, action, resource, context)
    allowed = any(
        stock.evaluate_resource_policy(document, evaluation, service=service).decision == "Allow"
        for document in policies.documents.values()
    )
    return Decision(
        kind,
        policies,
        service,
        action,
        resource,
        allowed,
        used_context(policies, evaluation),
        tuple(
            f"{name}#{index}"
            for name, document in policies.documents.items()
            for index, statement in enumerate(statements_of(document))
            if _allows(statement, evaluation, service)
        ),
    )


def _allows(statement: Document, evaluation: Any, service: str) -> bool:
    alone = {"Statement": [statement]}
    result = stock.evaluate_resource_policy(alone, evaluation, service=service)
    return bool(result.decision == "Allow")


def statements_of(document: Document) -> list[Document]:
    """The statements of a policy document as they are written."""
    statements = document.get("Statement") or []
    return [statements] if isinstance(statements, dict) else list(statements)
