"""Change sets with IncludeNestedStacks: what a deployment would change in nested stacks.

ministack 1.5.33 ignores the option. CloudFormation creates a change set for each nested stack and
references it in the parent's change, and so does this module. As on AWS, a parameter that depends
on a resource that does not exist yet is not known. Only the root change set can be executed.
"""

import copy
import json
import re
from typing import Any
from xml.etree import ElementTree

from ministack.core.responses import new_uuid, now_iso
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, helpers
from ministack.services.cloudformation import stacks as stack_engine

from embedded_aws.cloudformation.engine import stack_named
from embedded_aws.cloudformation.stacks import NESTED_STACK, Request, Response
from embedded_aws.settings import Settings

KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"

ChangeSet = dict[str, Any]


def install(settings: Settings) -> None:
    actions = handlers._ACTION_HANDLERS
    create, describe = actions["CreateChangeSet"], actions["DescribeChangeSet"]
    execute, delete = actions["ExecuteChangeSet"], actions["DeleteChangeSet"]

    def create_with_children(request: Request) -> Response:
        response: Response = create(request)
        if response[0] < 400 and request.get("IncludeNestedStacks", ["false"])[0] == "true":
            change_set = _change_set_in(response[2])
            change_set["IncludeNestedStacks"] = True
            try:
                _add_children(change_set, root_id=change_set["ChangeSetId"])
            except ValueError as problem:
                change_set.update(
                    Status="FAILED", ExecutionStatus="UNAVAILABLE", StatusReason=str(problem)
                )
        return response

    def describe_with_children(request: Request) -> Response:
        status, headers, body = describe(request)
        if status >= 400:
            return status, headers, body
        return status, headers, _with_change_set_ids(body)

    def execute_root(request: Request) -> Response:
        _id, change_set = changesets._find_change_set(*_names(request))
        if change_set and "ParentChangeSetId" in change_set:
            refusal: Response = helpers._error(
                "ValidationError", "Only the root change set of nested stacks can be executed."
            )
            return refusal
        response: Response = execute(request)
        if change_set and response[0] < 400:
            _drop_children(change_set["ChangeSetId"])
        return response

    def delete_with_children(request: Request) -> Response:
        _id, change_set = changesets._find_change_set(*_names(request))
        if change_set:
            _drop_children(change_set["ChangeSetId"])
        response: Response = delete(request)
        return response

    actions.update(
        CreateChangeSet=create_with_children,
        DescribeChangeSet=describe_with_children,
        ExecuteChangeSet=execute_root,
        DeleteChangeSet=delete_with_children,
    )


def _names(request: Request) -> tuple[str, str]:
    return request.get("ChangeSetName", [""])[0], request.get("StackName", [""])[0]


def _change_set_in(response_body: bytes) -> ChangeSet:
    found = re.search(r"<Id>(.+?)</Id>", response_body.decode())
    if found is None:
        raise RuntimeError("CreateChangeSet answered no change set id")
    change_set: ChangeSet = cloudformation._change_sets[found.group(1)]
    return change_set


def _drop_children(root_id: str) -> None:
    for found in list(cloudformation._change_sets.values()):
        if found.get("RootChangeSetId") == root_id:
            cloudformation._change_sets.pop(found["ChangeSetId"], None)


def _add_children(parent: ChangeSet, root_id: str) -> None:
    """Create a change set for each nested stack of the parent's new template."""
    stack = stack_named(parent["StackId"]) or {}
    if parent["Status"] == "FAILED":  # the parent has no changes; a child may have some
        parent["Changes"] = []
    # What a changed nested stack gives out is known only when it has been updated.
    changed: set[str] = set()
    for logical_id in _in_order(parent):
        properties = _nested_properties(parent, stack, logical_id, changed)
        record = stack.get("_resources", {}).get(logical_id, {})
        child_stack = stack_named(record.get("PhysicalResourceId", "")) or {}
        child = _child_change_set(parent, logical_id, properties, child_stack, root_id)
        _add_children(child, root_id)
        _mention(parent, logical_id, child, child_stack)
        if child["Changes"] or not child_stack:
            changed.add(logical_id)
    if parent["Changes"] and parent["ChangeSetType"] != "IMPORT":
        parent.update(
            Status="CREATE_COMPLETE", ExecutionStatus=parent.get("_execution", "AVAILABLE"),
            StatusReason="",
        )  # fmt: skip


def _in_order(change_set: ChangeSet) -> list[str]:
    """The nested stacks that the new template makes, each after those that it refers to."""
    template, values = change_set["_template"], change_set["_resolved_params"]
    conditions = engine._evaluate_conditions(template, values)
    waiting = {
        logical_id: json.dumps(resource, default=str)
        for logical_id, resource in template["Resources"].items()
        if resource.get("Type") == NESTED_STACK and conditions.get(resource.get("Condition"), True)
    }
    ordered: list[str] = []
    while waiting:
        free = [
            one
            for one, text in waiting.items()
            if not any(_mentions(text, other) for other in waiting if other != one)
        ]
        # A cycle has no beginning; ministack refuses it when it is executed.
        for one in free or list(waiting):
            ordered.append(one)
            del waiting[one]
    return ordered


def _mentions(text: str, logical_id: str) -> bool:
    return f'"{logical_id}"' in text or f"${{{logical_id}." in text


def _nested_properties(
    change_set: ChangeSet, stack: dict[str, Any], logical_id: str, changed: set[str]
) -> dict[str, Any]:
    """A nested stack's properties; what refers to a changed nested stack is not known yet."""
    template, values = change_set["_template"], change_set["_resolved_params"]
    conditions = engine._evaluate_conditions(template, values)
    properties = template["Resources"][logical_id]["Properties"]
    resources = stack.get("_resources", {})

    def resolved(value: Any) -> str:
        used = json.dumps(_taken_branches(value, conditions), default=str)
        if any(_mentions(used, one) for one in changed):
            return KNOWN_AFTER_APPLY
        return _resolved(value, change_set, conditions, resources)

    given = properties.get("Parameters") or {}
    return {
        "TemplateURL": resolved(properties["TemplateURL"]),
        "Parameters": {name: resolved(value) for name, value in given.items()},
    }


def _taken_branches(value: Any, conditions: dict[str, bool]) -> Any:
    """The value without the branches of Fn::If that are not taken."""
    if isinstance(value, list):
        return [_taken_branches(each, conditions) for each in value]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        return _taken_branches(then if conditions.get(condition) else otherwise, conditions)
    return {key: _taken_branches(each, conditions) for key, each in value.items()}


def _resolved(
    value: Any, change_set: ChangeSet, conditions: dict[str, bool], resources: dict[str, Any]
) -> str:
    template = change_set["_template"]
    try:
        resolved = engine._resolve_refs(
            copy.deepcopy(value), resources, change_set["_resolved_params"], conditions,
            template.get("Mappings", {}), change_set["StackName"], change_set["StackId"],
        )  # fmt: skip
    except Exception:
        return KNOWN_AFTER_APPLY
    return str(resolved) if isinstance(resolved, str | int | float) else KNOWN_AFTER_APPLY


def _child_change_set(
    parent: ChangeSet,
    logical_id: str,
    properties: dict[str, Any],
    stack: dict[str, Any],
    root_id: str,
) -> ChangeSet:
    template, values, changes = _child_changes(properties, stack)
    suffix = new_uuid()
    name = f"{parent['ChangeSetName'][:80]}-{logical_id[:34]}-{suffix[:12]}"
    stack_name = stack.get("StackName") or f"{parent['StackName']}-{logical_id}-{suffix[:12]}"
    child: ChangeSet = {
        "ChangeSetId": re.sub(r"changeSet/.*", f"changeSet/{name}/{suffix}", parent["ChangeSetId"]),
        "ChangeSetName": name,
        "StackId": stack.get("StackId")
        or re.sub(r"stack/.*", f"stack/{stack_name}/{suffix}", parent["StackId"]),
        "StackName": stack_name,
        "Status": "CREATE_COMPLETE",
        "StatusReason": "",
        # Executing the root executes its children.
        "ExecutionStatus": "UNAVAILABLE",
        "_execution": "UNAVAILABLE",
        "CreationTime": now_iso(),
        "Description": "",
        "ChangeSetType": "UPDATE" if stack else "CREATE",
        "Changes": changes,
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value["Value"]} for key, value in values.items()
        ],
        "Tags": parent.get("Tags", []),
        "Capabilities": parent.get("Capabilities", []),
        "IncludeNestedStacks": True,
        "ParentChangeSetId": parent["ChangeSetId"],
        "RootChangeSetId": root_id,
        "_template": template,
        "_resolved_params": values,
    }
    cloudformation._change_sets[child["ChangeSetId"]] = child
    return child


def _child_changes(
    properties: dict[str, Any], stack: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    body, error = helpers._resolve_template({"TemplateURL": [properties["TemplateURL"]]})
    if error is not None or not body:
        raise ValueError(f"Template not found at {properties['TemplateURL']}")
    given = [{"Key": key, "Value": value} for key, value in properties["Parameters"].items()]
    old_values = stack.get("_resolved_params", {})
    template = engine._apply_transforms(engine._parse_template(body), given, old_values)
    values = engine._resolve_parameters(template, given, old_values)
    changes = _differences(stack, template, values)
    # A value that is not known may turn out to be the old one.
    expected = {
        name: old_values.get(name, value) if value.get("Value") == KNOWN_AFTER_APPLY else value
        for name, value in values.items()
    }
    certain = {
        change["ResourceChange"]["LogicalResourceId"]
        for change in _differences(stack, template, expected)
        if change["ResourceChange"].get("Replacement") == "True"
    }
    for change in changes:
        resource = change["ResourceChange"]
        if resource.get("Replacement") == "True" and resource["LogicalResourceId"] not in certain:
            resource["Replacement"] = "Conditional"
    return template, values, changes


def _differences(
    stack: dict[str, Any], template: dict[str, Any], values: dict[str, Any]
) -> list[dict[str, Any]]:
    names = (stack.get("StackName", ""), stack.get("StackId", ""))
    old_template, old_values = stack.get("_template", {}), stack.get("_resolved_params", {})
    changed = {
        name for name, value in values.items()
        if old_values.get(name, {}).get("Value") != value.get("Value")
    }  # fmt: skip
    made, wanted = _made(old_template, old_values), _made(template, values)
    old = changesets._resolve_props_for_diff(made, old_values, *names)
    new = changesets._resolve_props_for_diff(wanted, values, *names)
    found: list[dict[str, Any]] = stack_engine._diff_resources(
        old, new, stack.get("_resources"), wanted, changed
    )
    return found


def _made(template: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The template with only those resources whose conditions hold."""
    conditions = engine._evaluate_conditions(template, values)
    resources = {
        logical_id: resource
        for logical_id, resource in template.get("Resources", {}).items()
        if conditions.get(resource.get("Condition"), True)
    }
    return {**template, "Resources": resources}


def _mention(
    parent: ChangeSet, logical_id: str, child: ChangeSet, child_stack: dict[str, Any]
) -> None:
    """Reference the child's change set in the parent's change; add that change if it is missing."""
    changes = [change["ResourceChange"] for change in parent["Changes"]]
    change = next((one for one in changes if one["LogicalResourceId"] == logical_id), None)
    if change is None:
        if not child["Changes"]:
            cloudformation._change_sets.pop(child["ChangeSetId"])
            return
        change = {
            "Action": "Modify",
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": child_stack.get("StackId", ""),
            "ResourceType": NESTED_STACK,
            "Replacement": "False",
            "Scope": ["Properties"],
            "Details": [],
        }
        parent["Changes"].append({"ResourceChange": change})
    change["ChangeSetId"] = child["ChangeSetId"]


def _with_change_set_ids(body: bytes) -> bytes:
    """Add the ids that link the change sets to a description; ministack does not know them."""
    ElementTree.register_namespace("", _NAMESPACE)
    root = ElementTree.fromstring(body)  # noqa: S314 - our own answer
    tag = f"{{{_NAMESPACE}}}"
    result = root.find(f"{tag}DescribeChangeSetResult")
    if result is None:
        return body
    change_set = cloudformation._change_sets[result.findtext(f"{tag}ChangeSetId") or ""]
    for name in ("IncludeNestedStacks", "ParentChangeSetId", "RootChangeSetId"):
        if name in change_set:
            value = change_set[name]
            ElementTree.SubElement(result, f"{tag}{name}").text = (
                str(value).lower() if isinstance(value, bool) else value
            )
    ids = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"].get("ChangeSetId")
        for change in change_set["Changes"]
    }
    for element in result.iter(f"{tag}ResourceChange"):
        child_id = ids.get(element.findtext(f"{tag}LogicalResourceId") or "")
        if child_id:
            ElementTree.SubElement(element, f"{tag}ChangeSetId").text = child_id
    completed: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return completed
