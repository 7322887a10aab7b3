"""The templates as they are written."""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

ROOT_DIR = Path(__file__).resolve().parents[3]

NESTED_STACK = "AWS::CloudFormation::Stack"
_ATTRIBUTE = re.compile(r"\$\{(\w+)\.([\w.]+)\}")


@dataclass(frozen=True)
class TemplateFile:
    """One template. Intrinsic functions are in their long form: `!Ref X` is `{"Ref": "X"}`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_root(self) -> bool:
        return self.path.name == "template.yaml"

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def written(self) -> dict[str, Any]:
        """The content of the file, in its order."""
        return plain(cfn_yaml.load(str(self.path)))

    def section(self, name: str) -> dict[str, Any]:
        """A section of the template; empty where there is none."""
        return self.written.get(name) or {}

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return self.section("Parameters")

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        return self.section("Resources")

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        return {name: each for name, each in self.resources.items() if each["Type"] in types}

    def children(self) -> dict[str, "TemplateFile"]:
        """The templates of its nested stacks, by the stacks' logical ids."""
        return {name: self.child(stack) for name, stack in self.of_type(NESTED_STACK).items()}

    def child(self, stack: dict[str, Any]) -> "TemplateFile":
        """The template of a nested stack."""
        return template_file(self.path.parent / stack["Properties"]["TemplateURL"])


def plain(value: Any) -> Any:
    """Without cfn-lint's node classes, whose line numbers only disturb comparisons."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, str) else deepcopy(value)


@lru_cache
def template_file(path: Path) -> TemplateFile:
    return TemplateFile(path.resolve())


def root() -> TemplateFile:
    return template_file(ROOT_DIR / "template.yaml")


def nested(name: str) -> TemplateFile:
    return template_file(ROOT_DIR / "nested" / f"{name}.yaml")


def pipeline() -> TemplateFile:
    """The template of the pipeline, which is a stack of its own."""
    return template_file(ROOT_DIR / "pipeline" / "template.yaml")


def all_templates() -> list[TemplateFile]:
    return [
        root(),
        pipeline(),
        *(template_file(path) for path in sorted((ROOT_DIR / "nested").glob("*.yaml"))),
    ]


def walk(value: Any) -> Any:
    """Every dictionary and every scalar inside a value."""
    yield value
    if isinstance(value, dict):
        for each in value.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)


def attributes(value: Any) -> Iterator[tuple[str, str]]:
    """Every attribute that a value refers to, by GetAtt or within Sub: logical id and attribute."""
    for node in walk(value):
        if isinstance(node, dict) and "Fn::GetAtt" in node:
            argument = node["Fn::GetAtt"]
            parts = argument.split(".", 1) if isinstance(argument, str) else argument
            yield parts[0], parts[1]
        elif isinstance(node, str):
            yield from _ATTRIBUTE.findall(node)


def names(resource: dict[str, Any], logical_id: str) -> bool:
    """Whether a resource refers to another one, or names it in DependsOn."""
    return logical_id in (
        *(name for name, _attribute in attributes(resource)),
        *(node for node in walk(resource) if isinstance(node, str)),
    )
