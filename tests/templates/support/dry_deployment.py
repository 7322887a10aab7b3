"""The stacks that some parameters would create, worked out from the templates without any AWS.

References to what only AWS knows become readable tokens, such as `<airflow/ClusterStack/Cluster>`;
everything else is resolved, including the outputs of nested stacks. So a test may ask for the
environment that a container gets in the end, on whatever way its values take.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from template_files import NESTED_STACK, TemplateFile, root

STACK_NAME = "airflow"
PSEUDO_PARAMETERS = {
    "AWS::StackName": STACK_NAME,
    "AWS::Region": "<region>",
    "AWS::AccountId": "<account>",
    "AWS::Partition": "<partition>",
    "AWS::StackId": "<stack-id>",
    "AWS::URLSuffix": "amazonaws.com",
}

_NOTHING = object()
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


class ParameterError(Exception):
    """CloudFormation would refuse this value of a parameter."""


class RuleError(Exception):
    """CloudFormation would refuse these parameters together; says what the assertions say."""


@dataclass(frozen=True)
class DryStack:
    path: str
    template: TemplateFile
    given: Mapping[str, Any]
    _made: dict[str, "DryStack"] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        declared = self.template.parameters
        if unknown := set(self.given) - set(declared):
            raise ParameterError(f"{self.path} has no parameters {sorted(unknown)}")
        values = {}
        for name, definition in declared.items():
            if name not in self.given and "Default" not in definition:
                raise ParameterError(f"{self.path} needs a value for {name}")
            values[name] = self.given.get(name, definition.get("Default"))
            check_value(name, definition, values[name])
        return values

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources that would be created."""
        return {
            name: resource
            for name, resource in self.template.resources.items()
            if self._holds(resource.get("Condition"))
        }

    def properties(self, name: str) -> dict[str, Any]:
        resolved: dict[str, Any] = self.resolve(self.resources[name].get("Properties", {}))
        return resolved

    @cached_property
    def children(self) -> dict[str, "DryStack"]:
        return {
            name: self.child(name)
            for name, resource in self.resources.items()
            if resource["Type"] == NESTED_STACK
        }

    def child(self, name: str) -> "DryStack":
        # One at a time: its parameters may be outputs of its siblings.
        if name not in self._made:
            self._made[name] = DryStack(
                f"{self.path}/{name}",
                self.template.child(self.resources[name]),
                self.properties(name).get("Parameters", {}),
            )
        return self._made[name]

    def everything(self) -> Iterator["DryStack"]:
        yield self
        for child in self.children.values():
            yield from child.everything()

    def output(self, name: str) -> Any:
        return self.resolve(self.template.section("Outputs")[name]["Value"])

    def check_rules(self) -> None:
        refused = [
            assertion["AssertDescription"]
            for rule in self.template.section("Rules").values()
            if self._true(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self._true(assertion["Assert"])
        ]
        if refused:
            raise RuleError("\n".join(refused))

    def resolve(self, node: Any) -> Any:
        if isinstance(node, list):
            return [each for each in map(self.resolve, node) if each is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            function, argument = next(iter(node.items()))
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function, argument)
        pairs = ((key, self.resolve(value)) for key, value in node.items())
        return {key: value for key, value in pairs if value is not _NOTHING}

    def _call(self, function: str, argument: Any) -> Any:
        match function, argument:
            case "Ref", str():
                return self._ref(argument)
            case "Fn::GetAtt", _:
                parts = argument.split(".", 1) if isinstance(argument, str) else argument
                return self._attribute(*map(self.resolve, parts))
            case "Fn::If", [condition, then, otherwise]:
                return self.resolve(then if self._holds(condition) else otherwise)
            case "Fn::Sub", str():
                return self._substitute(argument, {})
            case "Fn::Sub", [text, variables]:
                return self._substitute(text, self.resolve(variables))
            case "Fn::Join", [separator, values]:
                return separator.join(map(str, self.resolve(values)))
            case "Fn::Split", [separator, text]:
                return self.resolve(text).split(separator)
            case "Fn::FindInMap", [name, first, second]:
                mapping = self.template.section("Mappings")[self.resolve(name)]
                return mapping[self.resolve(first)][self.resolve(second)]
            case "Fn::Select", [int(index), values]:
                found = self.resolve(values)
                return found[index] if isinstance(found, list) else f"<{index} of {found}>"
            case "Fn::GetAZs" | "Fn::Cidr", _:
                return f"<{function[4:]} {self.resolve(argument)}>"
        raise NotImplementedError(f"{self.path}: {function} of {argument}")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name] if name != "AWS::StackName" else self.path
        if name not in self.parameters:
            return f"<{self.path}/{self._existing(name)}>"
        value = self.parameters[name]
        kind = self.template.parameters[name]["Type"]
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            return str(value).split(",")
        return value

    def _attribute(self, name: str, attribute: str) -> Any:
        self._existing(name)
        if self.resources[name]["Type"] == NESTED_STACK:
            return self.child(name).output(attribute.removeprefix("Outputs."))
        return f"<{self.path}/{name}.{attribute}>"

    def _existing(self, name: str) -> str:
        if name not in self.resources:
            raise ParameterError(f"{self.path} refers to {name}, which would not be made")
        return name

    def _substitute(self, text: str, variables: Mapping[str, Any]) -> str:
        def replace(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in variables:
                return str(variables[name])
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return _VARIABLE.sub(replace, text)

    def _holds(self, condition: str | None) -> bool:
        return condition is None or self._true(self.template.section("Conditions")[condition])

    def _true(self, node: Any) -> bool:
        match node:
            case bool():
                return node
            case {"Condition": str(name)}:
                return self._holds(name)
            case {"Fn::Equals": [left, right]}:
                return str(self.resolve(left)) == str(self.resolve(right))
            case {"Fn::Not": [inner]}:
                return not self._true(inner)
            case {"Fn::And": parts}:
                return all(map(self._true, parts))
            case {"Fn::Or": parts}:
                return any(map(self._true, parts))
        raise NotImplementedError(f"{self.path}: condition {node}")


def check_value(name: str, definition: Mapping[str, Any], value: Any) -> None:
    """Refuse what CloudFormation would refuse; tokens stand for values that AWS gives."""
    text = str(value)
    if "<" in text:
        return
    allowed = definition.get("AllowedValues")
    if allowed is not None and text not in map(str, allowed):
        raise ParameterError(f"{name} is {text}, not one of {allowed}")
    pattern = definition.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, text):
        raise ParameterError(f"{name} is {text!r}, which does not match {pattern}")
    if len(text) > definition.get("MaxLength", len(text)):
        raise ParameterError(f"{name} has more than {definition['MaxLength']} characters")
    if definition["Type"] == "Number":
        if not definition.get("MinValue", float("-inf")) <= float(text):
            raise ParameterError(f"{name} is {text}, below {definition['MinValue']}")
        if not float(text) <= definition.get("MaxValue", float("inf")):
            raise ParameterError(f"{name} is {text}, above {definition['MaxValue']}")


def deploy(**parameters: Any) -> DryStack:
    """The root stack, refused as CloudFormation would refuse it before it creates anything."""
    stack = DryStack(STACK_NAME, root(), parameters)
    stack.check_rules()
    return stack


def inventory(stack: DryStack) -> dict[str, str]:
    """Every resource of a stack and its nested stacks: path below the root → type."""
    return {
        f"{each.path}/{name}".removeprefix(f"{STACK_NAME}/"): resource["Type"]
        for each in stack.everything()
        for name, resource in each.resources.items()
    }


def changes(before: DryStack, after: DryStack) -> dict[str, str]:
    """What an update from one to the other does: path → add, remove, modify or replace.

    A property that CloudFormation can set only at creation replaces its resource, and then changes
    whatever refers to that resource. Nested stacks themselves are left out: they change whenever
    something in them does.
    """
    old, new = _contents(before), _contents(after)
    found: dict[str, str] = {}
    while True:
        replaced = {path for path, action in found.items() if action == "replace"}
        latest = {
            path: _action(old.get(path), new.get(path), replaced)
            for path in sorted(old.keys() | new.keys())
        }
        found = {path: action for path, action in latest.items() if action}
        if replaced == {path for path, action in found.items() if action == "replace"}:
            return found


@dataclass(frozen=True)
class _Resource:
    type: str
    properties: Mapping[str, Any]


def _contents(stack: DryStack) -> dict[str, _Resource]:
    return {
        f"{each.path}/{name}".removeprefix(f"{STACK_NAME}/"): _Resource(
            resource["Type"], each.properties(name)
        )
        for each in stack.everything()
        for name, resource in each.resources.items()
        if resource["Type"] != NESTED_STACK
    }


def _action(old: _Resource | None, new: _Resource | None, replaced: set[str]) -> str:
    if old is None or new is None:
        return "remove" if new is None else "add"
    if old.type != new.type:
        return "replace"
    changed = {
        name
        for name in old.properties.keys() | new.properties.keys()
        if old.properties.get(name) != new.properties.get(name)
        or _refers(new.properties.get(name), replaced)
    }
    if changed & _create_only(new.type):
        return "replace"
    return "modify" if changed else ""


def _refers(value: Any, paths: set[str]) -> bool:
    text = str(value)
    return any(f"<{STACK_NAME}/{path}{end}" in text for path in paths for end in ">.")


@cache
def _create_only(resource_type: str) -> set[str]:
    """Properties that CloudFormation sets only at creation, by the schema of the type."""
    if resource_type.startswith("Custom::"):
        return {"ServiceToken"}
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema
    pointers = schema.get("createOnlyProperties", [])
    return {pointer.removeprefix("/properties/").split("/")[0] for pointer in pointers}
