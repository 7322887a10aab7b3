"""A life-cycle policy that ECR cannot apply is refused. No image expires here.

ministack 1.5.33 stores any text.
"""

import json
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import ecr

from embedded_aws.ecr.layers import Data, in_repository
from embedded_aws.settings import Settings

_TAG_STATES = ("tagged", "untagged", "any")
_COUNTS = ("imageCountMoreThan", "sinceImagePushed")
_MAX_RULES = 50


def install(settings: Settings) -> None:
    put = ecr._put_lifecycle_policy

    def put_valid(data: Data) -> Any:
        found = list(problems(str(data.get("lifecyclePolicyText") or "")))
        if found:
            message = f"Invalid parameter at 'LifecyclePolicyText' failed to satisfy: {found[0]}"
            return error_response_json("InvalidParameterException", message, 400)
        return put(data)

    ecr._put_lifecycle_policy = in_repository(put_valid)


def problems(text: str) -> Iterator[str]:
    """What ECR refuses in a policy."""
    try:
        rules = json.loads(text)["rules"]
        priorities = [rule["rulePriority"] for rule in rules]
    except (ValueError, KeyError, TypeError):
        yield "the text must be a JSON object with rules, each with a rulePriority"
        return
    if not 1 <= len(rules) <= _MAX_RULES:
        yield f"there must be 1 to {_MAX_RULES} rules"
    if len(set(priorities)) < len(priorities):
        yield "two rules have the same rulePriority"
    for rule in rules:
        yield from _problems_of(rule, is_last=rule["rulePriority"] == max(priorities))


def _problems_of(rule: Data, *, is_last: bool) -> Iterator[str]:
    selection = rule.get("selection") or {}
    state, count = selection.get("tagStatus"), selection.get("countType")
    has_tags = bool(selection.get("tagPrefixList") or selection.get("tagPatternList"))
    if (rule.get("action") or {}).get("type") != "expire":
        yield "the action's type must be expire"
    if state not in _TAG_STATES:
        yield f"tagStatus must be one of {', '.join(_TAG_STATES)}"
    if has_tags != (state == "tagged"):
        yield "tagPrefixList or tagPatternList belong to the tagStatus tagged, which needs one"
    if state == "any" and not is_last:
        yield "a rule with the tagStatus any must have the highest rulePriority"
    if count not in _COUNTS:
        yield f"countType must be one of {', '.join(_COUNTS)}"
    if (selection.get("countUnit") == "days") != (count == "sinceImagePushed"):
        yield "countUnit days belongs to the countType sinceImagePushed, which needs it"
    if not isinstance(selection.get("countNumber"), int) or selection["countNumber"] < 1:
        yield "countNumber must be a positive whole number"
