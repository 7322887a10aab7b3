"""The table of attackers: every row is a test of `make test`, and the documents say the same."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.attacks import documents
from tests.attacks.attackers import ATTACKERS
from tests.attacks.attempt import Attempt, Outcome

ROOT = documents.ROOT
ATTEMPTS = [each for attacker in ATTACKERS for each in attacker.attempts]
# python -m pytest, its options, and the folders and files that it collects.
_PYTEST = re.compile(r"^(\S+/python) -m pytest ((?:.*\\\n)*.*)$", re.MULTILINE)


def suites() -> list[tuple[str, str]]:
    """Interpreter and path of each suite of `make test`, by what make would run."""
    printed = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "test"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [
        (python, path)
        for python, words in _PYTEST.findall(printed)
        if "--collect-only" not in words
        for path in words.split()
        if path.startswith("tests/")
    ]


def interpreter_of(proof: str, known: list[tuple[str, str]]) -> str | None:
    file = proof.partition("::")[0]
    found = {python for python, path in known if file == path or file.startswith(f"{path}/")}
    return found.pop() if len(found) == 1 else None


def not_collected(python: str, proofs: set[str]) -> str:
    """What pytest says about the ids that it does not find; nothing if it finds all."""
    done = subprocess.run(
        [python, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider",
         *sorted(proofs)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout[-3000:] + done.stderr[-3000:]


def test_every_attempt_is_run_by_make_test() -> None:
    known = suites()
    by_interpreter: dict[str | None, set[str]] = defaultdict(set)
    for each in ATTEMPTS:
        by_interpreter[interpreter_of(each.proof, known)].add(each.proof)
    assert by_interpreter.pop(None, set()) == set(), "make test has no suite with these"
    assert len(by_interpreter) == 2
    for python, proofs in by_interpreter.items():
        assert python
        assert not_collected(python, proofs) == ""


def test_proof_that_does_not_exist_is_noticed() -> None:
    python = interpreter_of("tests/attacks/test_table.py::x", suites())
    assert python
    assert "test_no_such_test" in not_collected(
        python, {"tests/attacks/test_table.py::test_no_such_test"}
    )
    assert interpreter_of("tests/upgrade/test_upgrade.py::x", suites()) is None


def test_seven_attackers_make_forty_attempts_and_more() -> None:
    assert len(ATTACKERS) == 7
    assert all(len(each.attempts) >= 7 for each in ATTACKERS)
    assert len({(attacker.name, each.what) for attacker in ATTACKERS
                for each in attacker.attempts}) == len(ATTEMPTS)  # fmt: skip
    assert len({each.proof for each in ATTEMPTS}) >= 40


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda each: each.what)
def test_security_document_says_it(attempt: Attempt) -> None:
    """A limit that the document does not mention would be a hole."""
    if attempt.outcome is not Outcome.REFUSED:
        assert attempt.says
    words = " ".join(documents.SECURITY.read_text().split())
    assert attempt.says in words


def test_limit_is_a_limit_of_the_table() -> None:
    """A test that shows a limit is named so, and the table has it."""
    of_table = {each.proof.partition("::")[2] for each in ATTEMPTS}
    for folder in ("attacks", "integration/image", "unit/image"):
        for file in (ROOT / "tests" / folder).rglob("test_*.py"):
            for name in re.findall(r"^def (test_limit_\w+)", file.read_text(), re.MULTILINE):
                if file.name != "test_table.py":
                    assert name in of_table, f"{file.name}::{name}"


@pytest.mark.parametrize("path", documents.written(), ids=lambda path: path.name)
def test_document_is_current(path: Path) -> None:
    expected = documents.written()[path]
    assert path.read_text() == expected, f"run {documents.COMMAND}"
