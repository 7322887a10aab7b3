"""The list of accepted findings: what it accepts, until when, and which mistakes it names."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from build_image.findings.accepted import FILE, AcceptedFindings, AcceptedFindingsError

TODAY = date(2026, 3, 1)
ENTRY = '[[finding]]\nid = "CVE-2026-1"\nreason = "Not called."\nexpires = 2026-03-01\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "accepted-findings.toml"


def problem(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(AcceptedFindingsError) as caught:
        AcceptedFindings.read(file, TODAY)
    return str(caught.value)


def test_entry_counts_through_its_last_day(file: Path) -> None:
    file.write_text(ENTRY)

    accepted = AcceptedFindings.read(file, TODAY)

    assert accepted.of("CVE-2026-1", TODAY)
    assert not accepted.expired("CVE-2026-1", TODAY)
    later = TODAY + timedelta(days=1)
    assert not accepted.of("CVE-2026-1", later)
    assert accepted.expired("CVE-2026-1", later)


def test_entry_counts_for_its_own_finding_only(file: Path) -> None:
    file.write_text(ENTRY)

    accepted = AcceptedFindings.read(file, TODAY)

    assert accepted.of("cve-2026-1", TODAY)
    assert not accepted.of("CVE-2026-10", TODAY)
    assert not accepted.expired("CVE-2026-10", TODAY)


def test_missing_or_empty_file_accepts_nothing(file: Path) -> None:
    assert AcceptedFindings.read(file, TODAY).entries == {}
    file.write_text("# No entries.\n")
    assert AcceptedFindings.read(file, TODAY).entries == {}


def test_date_in_quotes_and_a_byte_order_mark_are_understood(file: Path) -> None:
    file.write_text(ENTRY.replace("2026-03-01", '"2026-03-01"'), encoding="utf-8-sig")

    assert AcceptedFindings.read(file, TODAY).of("CVE-2026-1", TODAY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[[finding]]\nid = CVE-2026-1\n",
            "is not valid TOML: Invalid value (at line 2, column 6)",
        ),
        ("[[finding]\n", "is not valid TOML"),
        (ENTRY.replace("[[finding]]", "[finding]"), "write [[finding]], with two brackets"),
        ('finding = ["CVE-2026-1"]\n', "write [[finding]], with two brackets"),
        (ENTRY.replace("[[finding]]", "[[findings]]"), "'findings' is not known"),
        (ENTRY.replace("reason", "Reason"), "entry 1, line 1: the key 'Reason' is not known"),
        (ENTRY.replace('"Not called."', '" "'), "entry 1, line 1: reason must say why"),
        (ENTRY.replace('"CVE-2026-1"', '""'), "entry 1, line 1: id must be the id"),
        (ENTRY.replace('"CVE-2026-1"', "5"), "entry 1, line 1: id must be the id"),
        (ENTRY.replace('"CVE-2026-1"', '"CVE-*"'), "entry 1, line 1: id must be the id"),
        (ENTRY.replace("expires = 2026-03-01\n", ""), "entry 1, line 1: expires is missing"),
        (ENTRY.replace("2026-03-01", '"soon"'), "expires must be a day, such as 2026-05-30"),
        (ENTRY.replace("2026-03-01", "2026-03-01T10:00:00Z"), "expires must be a day"),
        (ENTRY.replace("2026-03-01", "20260301"), "expires must be a day"),
        (ENTRY.replace("2026-03-01", "true"), "expires must be a day"),
        (
            ENTRY.replace("2026-03-01", "2027-03-02"),
            "expires is 2027-03-02, which is more than 365 days ahead: name a day until 2027-03-01",
        ),
        (
            f"# A comment.\n{ENTRY}\n{ENTRY}",
            "entry 2, line 7: CVE-2026-1 is in the list twice",
        ),
    ],
)
def test_mistake_is_named_with_its_place(file: Path, text: str, expected: str) -> None:
    found = problem(file, text)

    assert found.startswith(FILE)
    assert expected in found


def test_last_day_that_is_allowed_is_accepted(file: Path) -> None:
    file.write_text(ENTRY.replace("2026-03-01", "2027-03-01"))

    assert AcceptedFindings.read(file, TODAY).of("CVE-2026-1", TODAY)


def test_every_mistake_is_named_at_once(file: Path) -> None:
    found = problem(file, '[[finding]]\nreason = "x"\n\n[[finding]]\nid = "CVE-2026-2"\n')

    assert "entry 1, line 1: id must be" in found
    assert "entry 1, line 1: expires is missing" in found
    assert "entry 2, line 4: reason must" in found


def test_file_that_is_no_text_or_no_file_is_named(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(AcceptedFindingsError, match="is not UTF-8 text: save it as UTF-8"):
        AcceptedFindings.read(file, TODAY)
    with pytest.raises(AcceptedFindingsError, match="cannot be read: Is a directory"):
        AcceptedFindings.read(tmp_path, TODAY)
