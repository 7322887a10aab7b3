"""What nothing used and what was refused: `python -m embedded_aws.authorization.report RECORD`.

`make iam-report` calls it. With `--json` it prints every statement and every action, for tests that
remove them.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from embedded_aws.authorization import reevaluation
from embedded_aws.authorization.reevaluation import Line, Recorded, Verdict


def lines(recorded: Recorded) -> list[str]:
    """The report for a person."""
    found = _together(reevaluation.verdicts(recorded))
    whole = [verdict for verdict in found if verdict.action is None]
    unused = [verdict for verdict in whole if not verdict.used]
    # An action of a statement that is used.
    names = {verdict.statement for verdict in unused}
    idle = [v for v in found if v.action and not v.used and v.statement not in names]
    replaceable = [v for v in found if v.used and not v.needed]
    return [
        f"{len(whole)} statements, {len(recorded.decisions)} recorded decisions",
        *_section("Statements that nothing used", [_text(verdict) for verdict in unused]),
        *_section("Actions that nothing used", [_text(verdict) for verdict in idle]),
        *_section("Used, but another statement allows the same", [_text(v) for v in replaceable]),
        *_section("Refused", _refusals(recorded.refused)),
    ]


def _together(found: list[Verdict]) -> list[Verdict]:
    """The verdicts of several runs on what is declared at the same place, as one."""
    by_place: dict[tuple[str, str, str, str | None], Verdict] = {}
    for one in found:
        statement = one.statement
        place = statement.origin or statement.subject
        key = (place, statement.document, statement.name, one.action)
        before = by_place.get(key, replace(one, used=0, needed=0))
        by_place[key] = replace(
            before, used=before.used + one.used, needed=before.needed + one.needed
        )
    return list(by_place.values())


def _section(title: str, found: list[str]) -> list[str]:
    return ["", f"{title} ({len(found)})", *(f"  {line}" for line in sorted(found) or ["none"])]


def _text(verdict: Verdict) -> str:
    statement = verdict.statement
    place = statement.origin or statement.subject
    actions = verdict.action or ", ".join(statement.actions)
    return f"{place}  {statement.document}  {statement.name}  {actions}"


def _refusals(refused: list[Line]) -> list[str]:
    counted = Counter(
        f"{line['principal']}  {line['action']}  {line['resource']}" for line in refused
    )
    return [f"{text}  ({count} times)" if count > 1 else text for text, count in counted.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description="What the recorded decisions of IAM needed.")
    parser.add_argument("record", type=Path, nargs="+", help="the records of one or more runs")
    parser.add_argument("--json", action="store_true", help="every statement and action, as JSON")
    arguments = parser.parse_args()
    recorded = reevaluation.read(*arguments.record)
    if arguments.json:
        found = [asdict(verdict) for verdict in _together(reevaluation.verdicts(recorded))]
        json.dump({"verdicts": found, "refused": recorded.refused}, sys.stdout, indent=1)
    else:
        print("\n".join(lines(recorded)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
