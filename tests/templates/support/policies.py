"""The IAM policies of a deployment: what each role may do, who may assume it, who may use what.

References to what only AWS knows stay readable tokens, such as `<airflow/StorageStack/DagBucket>`.
An evaluation compares texts, so the same token in a policy and in a call is the same resource.
"""

import re
from collections.abc import Iterator
from typing import Any

from dry_deployment import STACK_NAME, DryStack

Document = dict[str, Any]
# A policy's name, or `trust`, or `policy` for that of a resource → the document.
Documents = dict[str, Document]

TRUST, RESOURCE = "trust", "policy"

ACCOUNT, REGION = "000000000000", "us-east-1"
_KNOWN = {
    "<account>": ACCOUNT,
    "<region>": REGION,
    "<partition>": "aws",
    "<url-suffix>": "amazonaws.com",
}
_OF_RESOURCES = {
    "AWS::SQS::QueuePolicy": "Queues",
    "AWS::SNS::TopicPolicy": "Topics",
    "AWS::S3::BucketPolicy": "Bucket",
}
_REFERENCE = re.compile(rf"<{STACK_NAME}/([^<>.]+)>")


def policies_of(deployment: DryStack) -> dict[str, Documents]:
    """Every subject, such as `WorkerStack/TaskRole` or `StorageStack/DagBucket` → its policies."""
    found: dict[str, Documents] = {}
    for stack in deployment.everything():
        for name in stack.resources:
            for subject, document_name, document in _policies_of(stack, name):
                documents = found.setdefault(subject, {})
                if document_name in documents:  # the permissions of a function are one document
                    document["Statement"] = [
                        *documents[document_name]["Statement"],
                        *document["Statement"],
                    ]
                documents[document_name] = document
    return found


def _policies_of(stack: DryStack, name: str) -> Iterator[tuple[str, str, Document]]:
    kind = stack.resources[name]["Type"]
    path = f"{stack.path}/{name}".removeprefix(f"{STACK_NAME}/")
    if kind == "AWS::IAM::Role":
        properties = _properties(stack, name)
        yield path, TRUST, properties["AssumeRolePolicyDocument"]
        for policy in properties.get("Policies", ()):
            yield path, policy["PolicyName"], policy["PolicyDocument"]
    elif kind == "AWS::KMS::Key":
        yield path, RESOURCE, _properties(stack, name)["KeyPolicy"]
    elif kind == "AWS::Lambda::Permission":
        properties = _properties(stack, name)
        yield _subject(properties["FunctionName"]), RESOURCE, _of_permission(name, properties)
    elif kind in _OF_RESOURCES:
        properties = _properties(stack, name)
        resources = properties[_OF_RESOURCES[kind]]
        for each in resources if isinstance(resources, list) else [resources]:
            yield _subject(each), RESOURCE, dict(properties["PolicyDocument"])
    elif kind == "AWS::IAM::RolePolicy":
        properties = _properties(stack, name)
        yield (
            _subject(properties["RoleName"]),
            properties["PolicyName"],
            properties["PolicyDocument"],
        )
    elif kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        raise NotImplementedError(f"{path} is {kind}: say here whose policy it is")


def _properties(stack: DryStack, name: str) -> dict[str, Any]:
    properties: dict[str, Any] = _known(stack, stack.properties(name))
    return properties


def _known(stack: DryStack, value: Any) -> Any:
    """The value with what every policy of the deployment has in common."""
    if isinstance(value, dict):
        return {key: _known(stack, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_known(stack, each) for each in value]
    if not isinstance(value, str):
        return value
    for token, text in _KNOWN.items():
        value = value.replace(token, text)
    # The ARN of a log group ends with a wildcard, for its streams.
    return re.sub(
        r"^<([^<>]*LogGroup)\.Arn>$", rf"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:<\1>:*", value
    )


def _subject(reference: str) -> str:
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise NotImplementedError(f"a policy of {reference}, which is no resource of the stack")
    return found.group(1)


def _of_permission(name: str, properties: dict[str, Any]) -> Document:
    """The statement that Lambda adds to the policy of a function."""
    condition = {}
    if source := properties.get("SourceArn"):
        condition["ArnLike"] = {"AWS:SourceArn": source}
    if account := properties.get("SourceAccount"):
        condition["StringEquals"] = {"AWS:SourceAccount": account}
    statement = {
        "Sid": name,
        "Effect": "Allow",
        "Principal": {"Service": properties["Principal"]},
        "Action": properties["Action"],
        "Resource": properties["FunctionName"],
        "Condition": condition,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
