"""The record of decisions: JSON lines in the state folder, bounded, each case once.

Two requests are the same case when the same statements of the same version of a role's policies
apply to the same action. Of each case a few examples are kept, which is enough to tell later
whether a statement was needed (`reevaluation`).
"""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from embedded_aws.authorization.engine import Decision, Policies

FILE_NAME = "iam-decisions.jsonl"
_EXAMPLES = 5
_MAX_LINES = 20_000
_MAX_REFUSALS = 200

logger = logging.getLogger("embedded_aws.authorization")


class Record:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()
        self._versions: set[tuple[str, str]] = set()
        self._cases: Counter[Hashable] = Counter()
        self._seen: set[Hashable] = set()
        self._lines = 0

    def note_policies(self, policies: Policies, origin: str) -> None:
        """Record a version of a subject's policies, whether or not a request ever uses it."""
        with self._lock:
            self._note_policies(policies, origin)

    def note(self, decision: Decision) -> None:
        """Record a decision, unless enough like it are recorded."""
        case = (
            decision.kind,
            decision.policies.subject,
            decision.policies.version,
            decision.action,
            decision.statements,
            decision.allowed,
        )
        example = (case, decision.resource, str(decision.context))
        with self._lock:
            if example in self._seen:
                return
            limit = _EXAMPLES if decision.allowed else _MAX_REFUSALS
            if self._cases[case] >= limit or self._lines >= _MAX_LINES:
                return
            self._cases[case] += 1
            self._seen.add(example)
            self._note_policies(decision.policies)
            self._write(_line_of(decision))
        if not decision.allowed:
            logger.warning("IAM refuses: %s", decision.message)

    def _note_policies(self, policies: Policies, origin: str = "") -> None:
        # Trust and permissions of a role are two versions of the same subject.
        key = (policies.subject, policies.version)
        if key not in self._versions:
            self._versions.add(key)
            self._write(
                {
                    "type": "policies",
                    "subject": policies.subject,
                    "version": policies.version,
                    "origin": origin,
                    "documents": dict(policies.documents),
                }
            )

    def _write(self, line: dict[str, Any]) -> None:
        self._lines += 1
        self._file.write(json.dumps(line, default=str) + "\n")


def _line_of(decision: Decision) -> dict[str, Any]:
    return {
        "type": "decision",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "allowed": decision.allowed,
        "kind": decision.kind,
        "subject": decision.policies.subject,
        "version": decision.policies.version,
        "principal": decision.principal,
        "action": decision.action,
        "resource": decision.resource,
        "context": dict(decision.context),
        "statements": list(decision.statements),
    }


_record: Record | None = None
_enforced = True


def open_record(path: Path, *, enforced: bool) -> None:
    """Begin a new record; without ``enforced`` every refusal is recorded and then ignored."""
    global _record, _enforced
    _record, _enforced = Record(path), enforced


def is_allowed(decision: Decision) -> bool:
    """Record the decision, and say whether the action may happen."""
    assert _record is not None, "the record is opened when the embedded AWS starts"
    _record.note(decision)
    return decision.allowed or not _enforced


def is_enforced() -> bool:
    return _enforced


def note_policies(policies: Policies, origin: str) -> None:
    """Record a version of policies; ``origin`` is where a stack declares them."""
    assert _record is not None, "the record is opened when the embedded AWS starts"
    _record.note_policies(policies, origin)
