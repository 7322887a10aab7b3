"""The statements as they are written: where each begins and ends, and what its actions are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from tests.mutation.mutant import TEMPLATE_TESTS, Mutant, MutantError

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class StatementMutant(Mutant):
    """A statement of a template removed, or one of its actions.

    Args:
        line: the line in which the statement begins, counted from 0.
        action: the action that is removed; empty when the whole statement is.
        chosen: whether the statement is a choice of Fn::If, which nothing then replaces.
    """

    line: int = 0
    action: str = ""
    chosen: bool = False

    def apply(self, root: Path) -> None:
        file = root / self.path
        file.write_text(self.changed(file.read_text()))

    def changed(self, text: str) -> str:
        """The template without the statement, or without its action."""
        lines = text.splitlines(keepends=True)
        end = _end(lines, self.line)
        if not self.action:
            before = lines[: self.line]
            if self.chosen:
                before.append(" " * _indent(lines[self.line]) + "- !Ref AWS::NoValue\n")
            if before[-1].strip() == "Statement:" and not _is_item(lines, end, self.line):
                before[-1] = before[-1].rstrip() + " []\n"
            return "".join([*before, *lines[end:]])
        statement = "".join(lines[self.line : end])
        without = _without_action(statement, self.action)
        if without == statement:
            raise MutantError(f"{self.name}: {self.path} does not have this action in this place")
        return "".join([*lines[: self.line], without, *lines[end:]])

    def runs(self) -> list[tuple[str, tuple[str, ...]]]:
        return [("tools", TEMPLATE_TESTS)]


def _end(lines: list[str], start: int) -> int:
    """The line after an item of a list, or after a resource."""
    indent = _indent(lines[start])
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
    return end


def _is_item(lines: list[str], line: int, of: int) -> bool:
    rest = (each for each in lines[line:] if not each.lstrip().startswith("#"))
    following = next(rest, "")
    return _indent(following) == _indent(lines[of]) and following.lstrip().startswith("- ")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _without_action(statement: str, action: str) -> str:
    name = re.escape(action)
    for pattern, replacement in (
        (rf"\n +- {name}(?=\n)", ""),
        (rf"(?<=[\[ ]){name}, ", ""),
        (rf", {name}(?=\])", ""),
    ):
        changed, count = re.subn(pattern, replacement, statement)
        if count == 1:
            return changed
    return statement


def _mutants() -> Iterator[Mutant]:
    for path in sorted([*ROOT.glob("template.yaml"), *ROOT.glob("nested/*.yaml")]):
        relative = path.relative_to(ROOT).as_posix()
        resources = cfn_yaml.loads(path.read_text())["Resources"]
        for name, resource in resources.items():
            where = f"iam-{path.stem}-{name}"
            if resource["Type"] == "AWS::Lambda::Permission":
                line = name.start_mark.line
                yield _mutant(where, relative, line, f"{resource['Properties']['Principal']}")
                continue
            for policy, statement, chosen in _statements(resource.get("Properties", {}), ""):
                label = "-".join(filter(None, (where, policy, statement.get("Sid", ""))))
                actions = statement["Action"]
                several = actions if isinstance(actions, list) else []
                line = statement.start_mark.line
                text = ", ".join(several) or actions
                yield replace(_mutant(label, relative, line, text), chosen=chosen)
                for action in several:
                    short = action.partition(":")[2]
                    yield _mutant(f"{label}-{short}", relative, line, action, str(action))


def _mutant(name: str, path: str, line: int, what: str, action: str = "") -> StatementMutant:
    return StatementMutant(
        name=name,
        path=path,
        text="",
        replacement="",
        breaks=f"Without the permission: {what}.",
        line=line,
        action=action,
    )


def _statements(node: Any, policy: str, chosen: bool = False) -> Iterator[tuple[str, Any, bool]]:
    """Each statement below a node, with its policy's name, and whether Fn::If chooses it."""
    if isinstance(node, list):
        for each in node:
            yield from _statements(each, policy, chosen)
    elif isinstance(node, dict):
        if "Effect" in node and "Action" in node:
            yield policy, node, chosen
            return
        for key, each in node.items():
            name = {"AssumeRolePolicyDocument": "trust"}.get(key, policy)
            yield from _statements(each, node.get("PolicyName", name), key == "Fn::If")


IAM: tuple[Mutant, ...] = tuple(_mutants())
