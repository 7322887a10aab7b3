"""`make iam-calls RECORD=...`: the calls of a run, as the templates' tests decide on them again.

The embedded AWS writes each decision to `iam-decisions.jsonl` of its state folder, with the names
that this run gave to everything. Here a call becomes the same in every run: its statement is found
in the templates, and the resource is written as the statement writes it. One call is kept for each
action, pattern of resources and condition of a statement. The calls of earlier runs stay, unless
their role or resource is gone; `--new` begins with nothing.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from calls import FILE, Call, deployments, recorded
from policies import ACCOUNT, REGION, RESOURCE, TRUST, Document, Documents, policies_of

_ROOT = "airflow"
# What differs in each run and tells nothing: identifiers, times, numbers.
_CHANCE = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-?\d\d-?\d\dT[\d:._+%A-]*\d(Z|%2B00%3A00)?"), "TIME"),
    (re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)[0-9a-f]{6,}(?![0-9A-Za-z])"), "ID"),
    (re.compile(r"\d+"), "0"),
)
_GENERATED_SID = re.compile(r".+-([A-Za-z0-9]+)-[0-9a-f]{8}")

# tests/support/plain_workers.py deploys one nested template alone: end of the stack's name → its
# name in the root.
_ALONE = {"-fleet": "FleetStack"}

Line = dict[str, Any]


def calls_of(lines: Iterable[Line]) -> set[Call]:
    """The calls of one record, without what belongs to no stack of the templates."""
    documents: dict[tuple[str, str], Documents] = {}
    origins: dict[str, str] = {}
    decisions = []
    for line in lines:
        if line["type"] == "policies":
            documents[line["subject"], line["version"]] = line["documents"]
            if line.get("origin"):
                origins[line["subject"]] = line["origin"]
        elif line["allowed"]:
            decisions.append(line)
    declared = [policies_of(each) for each in deployments().values()]
    found: set[Call] = set()
    for line in decisions:
        root, path = _place(origins.get(line["subject"], ""))
        recorded = documents[line["subject"], line["version"]]
        for policies in declared:
            for subject in _subjects(line, path, root, policies):
                found.update(_calls(line, subject, root, recorded, policies[subject]))
    return found


def _place(origin: str) -> tuple[str, str]:
    """The name of the root stack, and where it declares the resource."""
    root, _slash, path = origin.partition("/")
    for end, name in _ALONE.items():
        if root.endswith(end):
            return root.removesuffix(end), "/".join(filter(None, (name, path)))
    return root, path


def _subjects(line: Line, path: str, root: str, policies: dict[str, Documents]) -> Iterator[str]:
    """Whose policy decided, as the templates call it."""
    kind, _slash, name = line["subject"].partition("/")
    if kind == "role":
        yield from [path] if path in policies else []
    elif kind == "function":
        name = name.removeprefix(f"{root}-").replace("-", "")
        for subject in policies:
            stack, _slash, function = subject.rpartition("/")
            if stack == path and function.lower() == f"{name}function":
                yield subject
    else:
        # A resource's policy is declared beside it, under its name.
        subject = path.removesuffix("Policy")
        yield from [subject] if subject in policies else []


def _calls(
    line: Line, subject: str, root: str, recorded: Documents, declared: Documents
) -> Iterator[Call]:
    for applied in line["statements"]:
        document, _hash, index = applied.rpartition("#")
        if document not in declared:
            continue
        statement = recorded[document]["Statement"][int(index)]
        same = _same_statement(declared[document], statement, int(index))
        if same is None:
            continue
        resource = line["resource"]
        if document != TRUST:
            pairs = zip(_list(statement["Resource"]), _list(same["Resource"]), strict=False)
            filled = (_filled(old, new, resource, root) for old, new in pairs)
            resource = next((each for each in filled if each), "")
        if document == TRUST:
            resource = subject
        if not resource:
            continue
        context = _context(line["context"], statement, same, root)
        if context is None:
            continue
        who = line["principal"] if document in (TRUST, RESOURCE) else ""
        yield Call(subject, document, line["action"], resource, tuple(context.items()), who)


def _same_statement(document: Document, statement: Document, index: int) -> Document | None:
    """The statement of the template, by its Sid, or by its place."""
    sid = str(statement.get("Sid", ""))
    generated = _GENERATED_SID.fullmatch(sid)
    name = generated.group(1) if generated else sid
    for place, each in enumerate(document["Statement"]):
        if each.get("Sid", "") == name if name else place == index:
            return dict(each)
    return None


def _context(
    values: dict[str, Any], recorded: Document, declared: Document, root: str
) -> dict[str, str] | None:
    """The values to which the statement's conditions refer, as the template writes them."""
    found: dict[str, str] = {}
    for operator, keys in declared.get("Condition", {}).items():
        before = recorded.get("Condition", {}).get(operator, {})
        for key, wanted in keys.items():
            old = {k.lower(): v for k, v in before.items()}.get(key.lower())
            value = values.get(key.lower())
            if old is None or value is None:
                return None
            pairs = zip(_list(old), _list(wanted), strict=False)
            filled = (_filled(a, b, str(value), root) for a, b in pairs)
            text = next((each for each in filled if each), "")
            if not text:
                return None
            found[key.lower()] = text
    return dict(sorted(found.items()))


def _filled(recorded: str, declared: str, text: str, root: str) -> str:
    """The text with the recorded pattern's names replaced by the template's; empty if it differs.

    What the wildcards of the pattern stand for is kept, without what chance decided.
    """
    fixed = recorded.split("*")
    match = re.fullmatch("(.*)".join(map(re.escape, fixed)), text)
    parts = declared.split("*")
    if not match or len(parts) != len(fixed):
        return ""
    free = [_without_chance(each, root) for each in match.groups()]
    return "".join(a + b for a, b in zip(parts, [*free, ""], strict=True))


def _without_chance(text: str, root: str) -> str:
    if text in (ACCOUNT, REGION):
        return text
    text = text.replace(root, _ROOT)
    for pattern, replacement in _CHANCE:
        text = pattern.sub(replacement, text)
    return text


def one_for_each_pattern(found: Iterable[Call]) -> set[Call]:
    """The first of those calls that the same pattern of the same statement allows."""
    patterns = [policies_of(each) for each in deployments().values()]
    kept: dict[tuple[Any, ...], Call] = {}
    for call in found:
        if not any(call.subject in policies for policies in patterns):
            continue
        key = (call.subject, call.policy, call.action, call.context, call.principal)
        kept.setdefault((*key, _pattern(call, patterns)), call)
    return set(kept.values())


def _pattern(call: Call, declared: list[dict[str, Documents]]) -> str:
    for policies in declared:
        for statement in policies.get(call.subject, {}).get(call.policy, {}).get("Statement", ()):
            if call.action not in _list(statement["Action"]):
                continue
            for pattern in _list(statement.get("Resource", ())):
                if re.fullmatch("(.*)".join(map(re.escape, pattern.split("*"))), call.resource):
                    return str(pattern)
    return call.resource


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def lines_of(path: Path) -> Iterator[Line]:
    """A record; a line that is still being written is left out."""
    for text in path.read_text().splitlines():
        try:
            yield json.loads(text)
        except ValueError:
            continue


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make iam-calls", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD")
    parser.add_argument("--new", action="store_true", help="forget the calls of earlier runs")
    given = parser.parse_args()
    earlier = [] if given.new or not FILE.exists() else recorded()
    new: set[Call] = set()
    for path in given.records:
        new |= calls_of(lines_of(path))
    found = one_for_each_pattern([*earlier, *sorted(new)])
    FILE.write_text("".join(f"{call.as_line()}\n" for call in sorted(found)))
    print(f"{FILE.name}: {len(found)} calls, {len(earlier)} before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
