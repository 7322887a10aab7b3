"""An unknown resource type fails a deployment before anything is created, in nested templates too.

ministack 1.5.33 refuses the unknown types of the template it is given, but reads a nested
template only when it deploys it, when much of the stack exists already. CloudFormation does not
look ahead either; here it saves a long wait for a rollback.
"""

from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, helpers, provisioners

from embedded_aws.cloudformation.stacks import NESTED_STACK
from embedded_aws.settings import Settings

Template = dict[str, Any]


def install(settings: Settings) -> None:
    validate = engine.validate_template_support

    def validate_with_children(
        template: Template, conditions: dict[str, bool], params: dict[str, Any] | None = None
    ) -> None:
        validate(template, conditions, params)
        unknown = sorted(_unknown_types_of_children(template))
        if unknown:
            raise ValueError(
                f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
            )

    # Both modules have imported the function by name.
    for module in (handlers, changesets):
        module.validate_template_support = validate_with_children


def _unknown_types_of_children(template: Template) -> set[str]:
    unknown: set[str] = set()
    for resource in (template.get("Resources") or {}).values():
        if not isinstance(resource, dict) or resource.get("Type") != NESTED_STACK:
            continue
        child = _child_template(resource)
        unknown |= {
            f"{child_resource['Type']} ({logical_id} of {resource['Properties']['TemplateURL']})"
            for logical_id, child_resource in child.get("Resources", {}).items()
            if not _is_known(str(child_resource.get("Type")))
        }
        unknown |= _unknown_types_of_children(child)
    return unknown


def _child_template(resource: dict[str, Any]) -> Template:
    """The child's template after its transforms; empty if it can only be read when it is deployed.

    A URL may be composed from parameters, and Fn::ForEach may loop over one.
    """
    url = (resource.get("Properties") or {}).get("TemplateURL")
    if not isinstance(url, str):
        return {}
    body, error = helpers._resolve_template({"TemplateURL": [url]})
    if error is not None or not body:
        return {}
    try:
        parsed = engine._parse_template(body)
        expanded: Template = engine._apply_transforms(parsed, _parameter_samples(parsed))
    except Exception:
        return {}
    return expanded if isinstance(expanded.get("Resources"), dict) else {}


def _parameter_samples(template: Template) -> list[dict[str, str]]:
    return [
        {"Key": name, "Value": str(definition.get("Default", ""))}
        for name, definition in (template.get("Parameters") or {}).items()
    ]


def _is_known(resource_type: str) -> bool:
    return resource_type in provisioners._RESOURCE_HANDLERS or resource_type.startswith("Custom::")
