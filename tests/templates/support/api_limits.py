"""Resolved properties checked against what the APIs of AWS allow: `embedded_aws.limits`."""

import re
from collections.abc import Iterator
from typing import Any

from dry_deployment import DryStack

from embedded_aws.limits.resources import UnknownValue, findings
from embedded_aws.limits.tables import limits_of

TABLE = "local/embedded_aws/limits/tables"

_KNOWN = {"<account>": "123456789012", "<region>": "ap-northeast-1", "<partition>": "aws-us-gov"}
_TOKEN = re.compile(r"<[^<>]*>")
# What CloudFormation adds to generated names.
_SUFFIX = "-1A2B3C4D5E6F"


def problems(stack: DryStack) -> Iterator[str]:
    """What AWS would refuse of a stack and its nested stacks, one sentence for each problem."""
    for each in stack.everything():
        for name, resource in each.resources.items():
            kind = resource["Type"]
            where = f"{each.path}/{name} ({kind})"
            limits = limits_of(kind)
            if limits is None:
                yield f"{where}: {kind} has no entry: add one to {TABLE}"
                continue
            for found in findings(limits, as_on_aws(each.properties(name))):
                hint = f": add {kind} {found.path} to {TABLE}" if found.unlisted else ""
                yield f"{where}: {found}{hint}"


def as_on_aws(value: Any) -> Any:
    """The value with readable tokens replaced by text of about the length that AWS gives."""
    if isinstance(value, dict):
        return {key: as_on_aws(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_on_aws(each) for each in value]
    if not isinstance(value, str) or isinstance(value, UnknownValue):
        return value
    for token, known in _KNOWN.items():
        value = value.replace(token, known)
    if value.startswith("{{resolve:") or (value.startswith("<") and value.endswith(">")):
        return UnknownValue(value)
    while _TOKEN.search(value):
        value = _TOKEN.sub(_name, value)
    return value


def _name(token: re.Match[str]) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", token.group()).strip("-") + _SUFFIX
