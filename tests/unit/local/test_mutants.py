"""The seeded faults fit the tree: a list that rots would prove nothing."""

from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.faults import FAULTS
from tests.mutation.mutant import Mutant, MutantError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("mutant", FAULTS, ids=lambda mutant: mutant.name)
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
        name for name, count in Counter(each.name for each in FAULTS).items() if count > 1
    ] == []


def test_entry_that_fits_no_longer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("Port: 80\nPort: 80\n")

    with pytest.raises(MutantError, match=r"twice: a\.yaml has its text 2 times, not once"):
        Mutant("twice", "a.yaml", "Port: 80", "Port: 81", "nothing").apply(tmp_path)
