"""Recorded decisions made again with other policies: which statements are needed, and for what.

A statement is *used* when it applied to a recorded request, and *needed* when a recorded request
would be refused without it. The same for one action of a statement with several. The policies are
those that the subject had when the decision was made, so a stack may have changed meanwhile.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded_aws.authorization import engine
from embedded_aws.authorization.engine import Document, statements_of

_GENERATED_SID = re.compile(r".+-([A-Za-z0-9]+)-[0-9a-f]{8}")

Documents = Mapping[str, Document]
Line = dict[str, Any]


@dataclass(frozen=True)
class Statement:
    """A statement of a subject, the same in all versions: by its Sid, or by its position."""

    subject: str
    document: str
    name: str
    effect: str
    actions: tuple[str, ...]
    origin: str = ""  # where it is declared: ROOT STACK/NESTED STACK/RESOURCE


@dataclass(frozen=True)
class Verdict:
    """What a record says about a statement, or about one of its actions."""

    statement: Statement
    action: str | None  # None: the whole statement
    used: int
    needed: int


@dataclass
class Recorded:
    """A record as it was read."""

    decisions: list[Line] = field(default_factory=list)
    documents: dict[tuple[str, str], Documents] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> list[Line]:
        return [line for line in self.decisions if not line["allowed"]]


def read(*paths: Path) -> Recorded:
    """Read the records of one or several runs; a line that is still being written is left out."""
    recorded = Recorded()
    lines = [text for path in paths for text in path.read_text(encoding="utf-8").splitlines()]
    for text in lines:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["type"] == "decision":
            recorded.decisions.append(line)
        else:
            recorded.documents[line["subject"], line["version"]] = line["documents"]
            if line.get("origin"):
                recorded.origins[line["subject"]] = line["origin"]
    return recorded


def verdicts(recorded: Recorded) -> list[Verdict]:
    """Every statement, and every action of a statement that has several."""
    by_subject: dict[str, list[Line]] = defaultdict(list)
    for line in recorded.decisions:
        if line["allowed"]:
            by_subject[line["subject"]].append(line)
    found = []
    for statement in statements(recorded):
        several = statement.actions if len(statement.actions) > 1 else ()
        for action in (None, *several):
            lines = by_subject[statement.subject]
            applied = [line for line in lines if _applies(recorded, statement, action, line)]
            needed = [
                line for line in applied if is_refused_without(recorded, line, statement, action)
            ]
            found.append(Verdict(statement, action, len(applied), len(needed)))
    return found


def statements(recorded: Recorded) -> list[Statement]:
    """The statements of every recorded version, each once."""
    found: dict[tuple[str, str, str], Statement] = {}
    for (subject, _version), documents in recorded.documents.items():
        origin = recorded.origins.get(subject, "")
        for document, _index, name, raw in _named(documents):
            found[subject, document, name] = Statement(
                subject, document, name, raw.get("Effect", ""), _actions(raw), origin
            )
    return list(found.values())


def is_refused_without(
    recorded: Recorded, line: Line, statement: Statement, action: str | None = None
) -> bool:
    """Whether an allowed request would be refused without the statement, or without its action."""
    documents = recorded.documents[line["subject"], line["version"]]
    return allows(line, documents) and not allows(line, without(documents, statement, action))


def without(documents: Documents, statement: Statement, action: str | None = None) -> Documents:
    """The documents without a statement, or without one action of it."""
    changed: dict[str, Document] = {name: dict(document) for name, document in documents.items()}
    if statement.document not in changed:
        return changed
    kept = []
    for index, raw in enumerate(statements_of(changed[statement.document])):
        if _name(raw, index) != statement.name:
            kept.append(raw)
            continue
        left = [one for one in _actions(raw) if one != action] if action else []
        if left:
            kept.append({**raw, "Action": left})
    changed[statement.document]["Statement"] = kept
    return changed


def allows(line: Line, documents: Documents) -> bool:
    """Decide on a recorded request again, with these documents."""
    evaluation = engine.context_of(
        line["principal"], line["action"], line["resource"], line["context"], region="us-east-1"
    )
    if line["kind"] == "identity":
        parsed = [engine.parse(document) for document in documents.values()]
        return bool(engine.stock.evaluate(evaluation, parsed).decision == "Allow")
    return any(
        engine.stock.evaluate_resource_policy(
            document, evaluation, service=line["principal"]
        ).decision
        == "Allow"
        for document in documents.values()
    )


def _applies(recorded: Recorded, statement: Statement, action: str | None, line: Line) -> bool:
    documents = recorded.documents[line["subject"], line["version"]]
    return any(
        name == statement.name
        and document == statement.document
        and f"{document}#{index}" in line["statements"]
        and (action is None or engine.stock.fnmatch_iam(line["action"], action))
        for document, index, name, _raw in _named(documents)
    )


def _named(documents: Documents) -> Iterator[tuple[str, int, str, Document]]:
    for document, content in documents.items():
        for index, raw in enumerate(statements_of(content)):
            yield document, index, _name(raw, index), raw


def _name(raw: Document, index: int) -> str:
    sid = str(raw.get("Sid") or f"#{index}")
    # CloudFormation names the statement of a permission STACK-LOGICAL ID-SUFFIX.
    generated = _GENERATED_SID.fullmatch(sid)
    return generated.group(1) if generated else sid


def _actions(raw: Document) -> tuple[str, ...]:
    actions = raw.get("Action") or ()
    return (actions,) if isinstance(actions, str) else tuple(actions)
