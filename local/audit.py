"""Known vulnerabilities of the packages that the locks name, by pip-audit and PyPI.

`local/audit-ignored.json` lists those that are accepted for a while: each with a reason, and a date
after which it counts again. A package that could not be looked up fails the audit as well.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from plain_errors import plain_errors

ROOT: Final = Path(__file__).resolve().parents[1]
IGNORED: Final = ROOT / "local" / "audit-ignored.json"
PROGRAM: Final = ROOT / ".venv" / "audit" / "bin" / "pip-audit"
# What ships, and what a developer runs. airflow-previous is an old version on purpose.
LOCKS: Final = (
    "images/airflow/requirements.lock",
    "functions/requirements.lock",
    *(
        f"local/environments/{name}.lock"
        for name in (
            "tools",
            "uv",
            "emulator",
            "lambda",
            "airflow-tests",
            "checkov",
            "checks",
            "audit",
        )
    ),
)
LONGEST_DAYS: Final = 180

# The lock's path → what pip-audit printed.
Audit = Callable[[Path], str]


class AuditError(Exception):
    """The audit failed, or could not be made."""


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that is accepted until a day."""

    id: str
    reason: str
    until: datetime.date


@dataclass(frozen=True)
class Finding:
    lock: str
    package: str
    id: str  # empty: the package was not looked up
    text: str
    names: frozenset[str] = frozenset()


def accepted(text: str, today: datetime.date) -> list[Accepted]:
    """The list of accepted vulnerabilities.

    Raises:
        AuditError: one has no reason, or no day within the next months.
    """
    found = []
    for each in json.loads(text):
        id_, reason = str(each.get("id", "")), str(each.get("reason", "")).strip()
        if not id_ or not reason:
            raise AuditError(f"An accepted vulnerability needs an id and a reason: {each}")
        try:
            until = datetime.date.fromisoformat(str(each.get("until", "")))
        except ValueError as error:
            raise AuditError(f"{id_} needs a day in `until`, such as 2027-01-31.") from error
        if until > today + datetime.timedelta(days=LONGEST_DAYS):
            raise AuditError(f"{id_} is accepted for more than {LONGEST_DAYS} days: {until}")
        found.append(Accepted(id_, reason, until))
    return found


def findings(lock: str, printed: str) -> Iterator[Finding]:
    """What pip-audit says about the packages of one lock."""
    for package in json.loads(printed)["dependencies"]:
        name = f"{package['name']} {package.get('version', '')}".strip()
        if "skip_reason" in package:
            yield Finding(lock, name, "", package["skip_reason"])
        for each in package.get("vulns", ()):
            fixed = ", ".join(each.get("fix_versions") or ()) or "no version"
            names = frozenset({each["id"], *each.get("aliases", ())})
            yield Finding(lock, name, each["id"], f"fixed in {fixed}", names)


def audit(locks: tuple[str, ...], run: Audit, ignored: str, today: datetime.date) -> str:
    """Look up every lock; returns a sentence.

    Raises:
        AuditError: names every vulnerability that is not accepted, and what was not looked up.
    """
    excused = accepted(ignored, today)
    valid = {each.id for each in excused if each.until >= today}
    problems, used = [], set()
    for lock in locks:
        for each in findings(lock, run(ROOT / lock)):
            if each.names & valid:
                used |= each.names & valid
            else:
                what = f"{each.id}, {each.text}" if each.id else f"not looked up: {each.text}"
                problems.append(f"{each.lock}: {each.package}: {what}")
    problems += [
        f"{each.id} was accepted until {each.until} only: {each.reason}"
        for each in excused
        if each.until < today
    ]
    # One that is gone must not hide a later one.
    problems += [f"{id_} is accepted, but nothing has it" for id_ in sorted(valid - used)]
    if problems:
        raise AuditError("\n".join(problems))
    return f"No known vulnerability in {len(locks)} locks, {len(used)} accepted."


def pip_audit(lock: Path) -> str:
    """Run pip-audit, which exits with 1 when it finds something."""
    done = subprocess.run(
        [PROGRAM, "--vulnerability-service", "pypi", "--progress-spinner", "off",
         "--disable-pip", "--require-hashes", "--format", "json", "--requirement", lock],
        capture_output=True, text=True,
    )  # fmt: skip
    if not done.stdout.startswith("{"):
        raise AuditError(f"pip-audit failed for {lock}:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    locks: Any = tuple(sys.argv[1:]) or LOCKS
    print(audit(locks, pip_audit, IGNORED.read_text(), datetime.datetime.now().date()))


if __name__ == "__main__":
    with plain_errors(expected=(AuditError,)):
        main()
