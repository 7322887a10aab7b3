"""The seeded faults fit the tree: a list that rots would prove nothing."""

from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.faults import FAULTS
from tests.mutation.iam import IAM
from tests.mutation.iam.statements import StatementMutant
from tests.mutation.mutant import Mutant, MutantError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("mutant", (*FAULTS, *IAM), ids=lambda mutant: mutant.name)
def test_fault_can_be_planted(mutant: Mutant, tmp_path: Path) -> None:
    before = (ROOT / mutant.path).read_text()
    copy = tmp_path / mutant.path
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(before)

    mutant.apply(tmp_path)

    assert copy.read_text() != before
    for _, arguments in mutant.runs():
        assert (ROOT / arguments[0]).exists()


def test_faults_are_many_and_have_names_of_their_own() -> None:
    assert len(FAULTS) >= 60
    assert [
        name for name, count in Counter(each.name for each in (*FAULTS, *IAM)).items() if count > 1
    ] == []


def test_every_statement_of_the_templates_is_removed_by_a_mutant() -> None:
    sids = [
        line.split("Sid:")[1].strip()
        for path in (ROOT / "nested").glob("*.yaml")
        for line in path.read_text().splitlines()
        if "- Sid:" in line
    ]
    whole = [each.name.rpartition("-")[2] for each in IAM if not getattr(each, "action", "")]

    assert Counter(sids) - Counter(whole) == Counter()


def test_removed_statement_is_the_only_difference(tmp_path: Path) -> None:
    (mutant,) = (each for each in IAM if each.name == "iam-worker-TaskRole-trust")
    before = (ROOT / mutant.path).read_text()
    (tmp_path / "nested").mkdir()
    (tmp_path / mutant.path).write_text(before)

    mutant.apply(tmp_path)

    after = (tmp_path / mutant.path).read_text()
    assert before.count("sts:AssumeRole") == after.count("sts:AssumeRole") + 1
    assert "Statement: []" in after
    assert before.count("\n") - after.count("\n") == 4


def test_statement_that_a_condition_chooses_is_replaced_by_nothing() -> None:
    lines = [
        "Statement:",
        "  - !If",
        "    - HasIt",
        "    - Sid: It",
        "      Effect: Allow",
        "    - !Ref AWS::NoValue",
    ]
    mutant = StatementMutant("it", "a.yaml", "", "", "it", line=3, chosen=True)

    assert mutant.changed("\n".join(lines)).splitlines() == [
        *lines[:3], "    - !Ref AWS::NoValue", "    - !Ref AWS::NoValue",
    ]  # fmt: skip


def test_entry_that_fits_no_longer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("Port: 80\nPort: 80\n")

    with pytest.raises(MutantError, match=r"twice: a\.yaml has its text 2 times, not once"):
        Mutant("twice", "a.yaml", "Port: 80", "Port: 81", "nothing").apply(tmp_path)
