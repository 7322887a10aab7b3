"""What a row of the table of attackers says."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What SECURITY.md says about an attempt."""

    REFUSED = "refused"
    # It goes on, but only so far.
    LIMITED = "limited"
    # It succeeds, and SECURITY.md says so: a fix has to change the document.
    LIMIT = "documented limit"


@dataclass(frozen=True)
class Attempt:
    what: str
    outcome: Outcome
    # The test that makes the attempt, by the id that pytest collects in `make test`.
    proof: str
    # Of a limit: words of SECURITY.md.
    says: str = ""


@dataclass(frozen=True)
class Attacker:
    name: str
    # What the attacker has, as the rest of a sentence.
    has: str
    attempts: tuple[Attempt, ...]


def refused(what: str, proof: str, says: str = "") -> Attempt:
    return Attempt(what, Outcome.REFUSED, proof, says)


def limited(what: str, proof: str, says: str) -> Attempt:
    return Attempt(what, Outcome.LIMITED, proof, says)


def succeeds(what: str, proof: str, says: str) -> Attempt:
    return Attempt(what, Outcome.LIMIT, proof, says)
