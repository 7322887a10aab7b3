"""Conditions with every function that CloudFormation evaluates in them.

ministack 1.5.33 evaluates only Ref and Fn::Select of a list parameter in them. CloudFormation also
evaluates Fn::FindInMap, Fn::Join, Fn::Split, Fn::Sub and pseudo parameters, and refuses references
to resources. Each argument of Fn::Equals is resolved first, with the function that resolves
properties; ministack compares the results.
"""

from typing import Any

from ministack.services.cloudformation import changesets, engine, handlers, stacks

from embedded_aws.settings import Settings

# The modules that imported the function by its name; others take it from the engine.
_MODULES = (changesets, engine, handlers, stacks)
_RESOURCE_FUNCTIONS = {"Fn::GetAtt"}
_stock = engine._evaluate_conditions


class ConditionError(ValueError):
    """A condition refers to something that does not exist when conditions are evaluated."""


def install(settings: Settings) -> None:
    for module in _MODULES:
        module._evaluate_conditions = evaluate


def evaluate(template: dict[str, Any], params: dict[str, Any]) -> dict[str, bool]:
    """Every condition of a template by its name."""
    mappings = template.get("Mappings", {})
    resources = template.get("Resources", {})
    conditions = {
        name: _literal(definition, params, mappings, resources)
        for name, definition in template.get("Conditions", {}).items()
    }
    evaluated: dict[str, bool] = _stock({**template, "Conditions": conditions}, params)
    return evaluated


def _literal(node: Any, params: Any, mappings: Any, resources: Any) -> Any:
    """The condition with both sides of each Fn::Equals resolved to text."""
    if isinstance(node, list):
        return [_literal(each, params, mappings, resources) for each in node]
    if not isinstance(node, dict):
        return node
    if "Fn::Equals" not in node:
        return {key: _literal(each, params, mappings, resources) for key, each in node.items()}
    for side in node["Fn::Equals"]:
        _refuse_resources(side, resources)
    resolved = [
        engine._resolve_refs(side, {}, params, {}, mappings, "", "") for side in node["Fn::Equals"]
    ]
    return {"Fn::Equals": resolved}


def _refuse_resources(node: Any, resources: Any) -> None:
    if isinstance(node, list):
        for each in node:
            _refuse_resources(each, resources)
    if isinstance(node, dict):
        for function, argument in node.items():
            if function in _RESOURCE_FUNCTIONS or (function == "Ref" and argument in resources):
                raise ConditionError(
                    f"Template format error: Unresolved dependencies [{argument}]. Cannot "
                    "reference resources in the Conditions block of the template"
                )
            _refuse_resources(argument, resources)
