"""The templates as they are written, and as CloudFormation sees them once loops are unrolled."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml
from cfnlint.template import Template

ROOT_DIR = Path(__file__).resolve().parents[3]

NESTED_STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class TemplateFile:
    """One template. Intrinsic functions are in their long form: `!Ref X` is `{"Ref": "X"}`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_root(self) -> bool:
        return self.path == ROOT_DIR / "template.yaml"

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def written(self) -> dict[str, Any]:
        """As it stands in the file, in its order."""
        return plain(cfn_yaml.load(str(self.path)))

    @cached_property
    def unrolled(self) -> dict[str, Any]:
        """With every Fn::ForEach replaced by what it repeats."""
        return self.unrolled_over({})

    def unrolled_over(self, lists: Mapping[str, list[str]]) -> dict[str, Any]:
        """The same for certain values of parameters that are looped over, instead of defaults."""
        loaded = cfn_yaml.load(str(self.path))
        for name, node in loaded.get("Resources", {}).items():
            if name.startswith("Fn::ForEach::") and isinstance(node[1], dict):
                node[1] = lists.get(node[1]["Ref"], node[1])
        template = Template(str(self.path), loaded)
        problems = template.transform()
        if problems:
            raise ValueError("; ".join(str(problem) for problem in problems))
        return plain(template.template)

    def section(self, name: str) -> dict[str, Any]:
        """A section of the unrolled template; empty where there is none."""
        return self.unrolled.get(name) or {}

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


def all_templates() -> list[TemplateFile]:
    return [root(), *(template_file(path) for path in sorted((ROOT_DIR / "nested").glob("*.yaml")))]


def walk(value: Any) -> Any:
    """Every dictionary and every scalar inside a value."""
    yield value
    if isinstance(value, dict):
        for each in value.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)
