"""The findings that a person has accepted: images/airflow/user/accepted-findings.toml.

[[finding]]
id = "CVE-2026-1234"
reason = "Airflow never calls the parser that is affected."
expires = 2026-06-30

The whole file is checked, whether a finding is refused or not: a typing mistake would otherwise
show when the entry is needed.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from build_image.errors import ImageBuildError

FILE = "images/airflow/user/accepted-findings.toml"
MAX_DAYS = 365
_KEYS = ("id", "reason", "expires")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{2,99}")
_HEADER = re.compile(r"\s*\[\[\s*finding\s*\]\]")


class AcceptedFindingsError(ImageBuildError):
    """The list cannot be used; the message names each mistake and where it is."""


@dataclass(frozen=True)
class AcceptedFinding:
    id: str
    reason: str
    # The last day, in UTC, on which the finding is accepted.
    expires: date


@dataclass(frozen=True)
class AcceptedFindings:
    """The entries by the id of the finding in upper case."""

    entries: Mapping[str, AcceptedFinding] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path, today: date) -> "AcceptedFindings":
        """The entries of a file; no file means none.

        Raises:
            AcceptedFindingsError: the file is not what it must be.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise AcceptedFindingsError(f"{FILE} cannot be read: {error.strerror}.") from error
        try:
            # Editors on Windows begin the file with a mark that TOML does not allow.
            text = content.decode("utf-8-sig")
            document = tomllib.loads(text)
        except UnicodeDecodeError as error:
            raise AcceptedFindingsError(f"{FILE} is not UTF-8 text: save it as UTF-8.") from error
        except tomllib.TOMLDecodeError as error:
            raise AcceptedFindingsError(f"{FILE} is not valid TOML: {error}.") from error
        problems = list(_problems(document, text, today))
        if problems:
            raise AcceptedFindingsError(" ".join(problems))
        entries = [
            AcceptedFinding(str(entry["id"]), str(entry["reason"]), _day(entry["expires"]))
            for entry in document.get("finding", ())
        ]
        return cls({entry.id.upper(): entry for entry in entries})

    def of(self, finding: str, today: date) -> AcceptedFinding | None:
        """The entry that accepts a finding today."""
        entry = self.entries.get(finding.upper())
        return entry if entry and entry.expires >= today else None

    def expired(self, finding: str, today: date) -> AcceptedFinding | None:
        """The entry that accepted a finding until a former day."""
        entry = self.entries.get(finding.upper())
        return entry if entry and entry.expires < today else None


def _problems(document: Mapping[str, Any], text: str, today: date) -> Iterator[str]:
    if unknown := sorted(set(document) - {"finding"}):
        yield f"{FILE}: {unknown[0]!r} is not known: write a table [[finding]] for each entry."
    entries = document.get("finding", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        yield f"{FILE}: finding must be tables: write [[finding]], with two brackets."
        return
    lines = [
        number for number, line in enumerate(text.splitlines(), start=1) if _HEADER.match(line)
    ]
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        # Entries of an inline table have no line of their own.
        line = f", line {lines[number]}" if len(lines) == len(entries) else ""
        for problem in _problems_of(entry, seen, today):
            yield f"{FILE}, entry {number + 1}{line}: {problem}"


def _problems_of(entry: Mapping[str, Any], seen: set[str], today: date) -> Iterator[str]:
    if unknown := sorted(set(entry) - set(_KEYS)):
        yield f"the key {unknown[0]!r} is not known: an entry has {', '.join(_KEYS)}."
    id_, reason = entry.get("id"), entry.get("reason")
    if not isinstance(id_, str) or not _ID.fullmatch(id_):
        yield 'id must be the id of a finding, such as "CVE-2026-1234".'
    elif id_.upper() in seen:
        yield f"{id_} is in the list twice: keep one entry."
    else:
        seen.add(id_.upper())
    if not isinstance(reason, str) or not reason.strip():
        yield "reason must say why the finding is accepted."
    if "expires" not in entry:
        yield f"expires is missing: name the last day, at most {MAX_DAYS} days ahead."
        return
    try:
        last = _day(entry["expires"])
    except ValueError:
        yield f"expires must be a day, such as {today + timedelta(days=90)}."
        return
    if last > today + timedelta(days=MAX_DAYS):
        yield (
            f"expires is {last}, which is more than {MAX_DAYS} days ahead: name a day until "
            f"{today + timedelta(days=MAX_DAYS)}."
        )


def _day(value: Any) -> date:
    """A date of TOML, or its text; ValueError for anything else."""
    if isinstance(value, str):
        return date.fromisoformat(value)
    # A time is also a date in Python.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError(value)
