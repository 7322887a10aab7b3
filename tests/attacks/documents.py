"""The tables in the documents: of attackers, and of what each component can reach."""

import re
from pathlib import Path

from tests.attacks import reach
from tests.attacks.attackers import ATTACKERS
from tests.attacks.attempt import Attacker, Outcome

ROOT = Path(__file__).parents[2]
SECURITY = ROOT / "SECURITY.md"
ATTACKS = ROOT / "docs" / "security" / "attacks.md"
COMMAND = "make attack-tables"
_HEAD = """# Attacks that `make test` runs

Generated from [tests/attacks/attackers](../../tests/attacks/attackers), and compared with it by
a test. What each attempt comes to is what [SECURITY.md](../../SECURITY.md) says:

- *refused*: it fails.
- *limited*: it goes on, but only so far.
- *documented limit*: it succeeds, and SECURITY.md says so. The test proves that it does, so a fix
  has to change the document.

{total} attempts: {counts}.
"""


def written() -> dict[Path, str]:
    """Each document as it has to be."""
    return {SECURITY: _with_tables(SECURITY.read_text()), ATTACKS: attacks()}


def attacks() -> str:
    outcomes = [each.outcome for attacker in ATTACKERS for each in attacker.attempts]
    counts = ", ".join(f"{outcomes.count(each)} {each.value}" for each in Outcome)
    head = _HEAD.format(total=len(outcomes), counts=counts)
    return "\n".join([head, *map(_section, ATTACKERS)])


def _section(attacker: Attacker) -> str:
    lines = [f"## {attacker.name}", "", f"Has {attacker.has}.", "", "| Attempt | | Test |"]
    lines.append("| --- | --- | --- |")
    for each in attacker.attempts:
        path, _, name = each.proof.partition("::")
        lines.append(f"| {each.what} | {each.outcome.value} | [`{name}`](../../{path}) |")
    return "\n".join(lines) + "\n"


def _with_tables(text: str) -> str:
    for marker, table in reach.tables().items():
        pattern = re.compile(f"(<!-- {marker} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert pattern.search(text), f"SECURITY.md has no marker {marker}"
        text = pattern.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text
