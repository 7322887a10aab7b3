"""Which DAG files need no second parse, because the database has what a parse would write.

A file is *settled* in a release if it was parsed without an error and the database has the result.
Whether it has, the database says itself: each version of a DAG carries the fingerprint of the parse
that wrote it, in the same transaction. So nothing that is lost, restored or deleted there goes
unnoticed, and a dag-processor that starts takes over what was parsed before.

When another release is served in which the same inputs give the same DAGs, only the release of
these DAGs is written. Airflow does the same when it parses them: their next runs use the new
release.

A dynamic file (`parse_inputs`) is settled too, but not for long, and only in the release and the
process of its parse: the same inputs may give other DAGs.

Whatever is not certain leaves the file to Airflow, which parses it at its own interval.
"""

import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from airflow_on_fargate.releases.parse_inputs import Inputs

log = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Parse:
    """What a file was parsed from, and how many DAGs it has."""

    fingerprint: str
    dags: int
    dynamic: bool = False

    @classmethod
    def of(cls, inputs: Inputs, environment: str, dags: int, result: str = "") -> "Parse":
        """`environment` is the digest of the image and the settings, `result` that of the DAGs.

        The result counts where the inputs do not determine it.
        """
        both = f"{inputs.digest} {environment}"
        if inputs.dynamic:
            both = f"{both} {result}"
        digest = hashlib.sha256(both.encode()).hexdigest()
        return cls(digest[:32], dags, dynamic=bool(inputs.dynamic))

    def as_version_data(self) -> dict[str, Any]:
        """For the column of that name, which Airflow has for a bundle's own data."""
        data: dict[str, Any] = {"parse": self.fingerprint, "dags": self.dags}
        return data | {"dynamic": True} if self.dynamic else data

    @classmethod
    def from_version_data(cls, data: Any) -> "Parse | None":
        """None if the row was not written by such a parse."""
        match data:
            case {"parse": str(fingerprint), "dags": int(dags), **rest}:
                return cls(fingerprint, dags, rest == {"dynamic": True})
        return None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A parse that the database has, with its release and its time."""

    parse: Parse
    release: str
    at: datetime


class Rows(Protocol):
    """What the database has of one bundle."""

    def recorded(self) -> Mapping[str, "Recorded"]:
        """The files whose DAGs are complete in one release."""

    def move(self, parses: Mapping[str, Parse], old: str, new: str) -> set[str]:
        """Write the release `new` for the DAGs of these files.

        Returns the files whose DAGs are complete and as this parse of `old` wrote them; of others
        it changes nothing.
        """

    def to_parse(self, parses: Mapping[str, Parse], release: str) -> set[str]:
        """The files whose DAGs are not as this parse left them, or need another one."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    release: str
    parse: Parse


class SettledFiles:
    def __init__(
        self,
        rows: Rows,
        environment: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = rows
        self._environment = environment
        self._monotonic = monotonic
        self._parsed: dict[str, _Parsed] = {}
        # Files that are parsed as usual for now.
        self._unsettled: set[str] = set()
        self._check_after = monotonic() + SECONDS_BETWEEN_CHECKS

    def parse(self, inputs: Inputs | None, dags: int, result: str = "") -> Parse | None:
        """What to record with a parse; None for a file that the release does not have."""
        if inputs is None:
            return None
        return Parse.of(inputs, self._environment, dags, result)

    def note(self, path: str, release: str, parse: Parse | None) -> None:
        """The file was parsed in this release, without an error."""
        self.forget(path)
        if parse:
            self._parsed[path] = _Parsed(release, parse)

    def forget(self, path: str) -> None:
        """The file is parsed as usual."""
        self._parsed.pop(path, None)

    def adopt(
        self, release: str, paths: Iterable[str], inputs: Callable[[str], Inputs | None]
    ) -> dict[str, Recorded]:
        """Take over what was parsed before this process started. Never raises.

        The release may be another one since then.
        """
        found: dict[str, Recorded] = {}
        try:
            recorded = self._rows.recorded()
            of_release: dict[str, dict[str, Parse]] = defaultdict(dict)
            for path in recorded.keys() & set(paths):
                each = recorded[path]
                if self._is_still(each.parse, inputs(path)):
                    of_release[each.release][path] = each.parse
            for old, parses in of_release.items():
                same = parses if old == release else self._rows.move(parses, old, release)
                found.update({path: recorded[path] for path in same})
        except Exception:
            log.exception("Could not tell which files were parsed before; parsing the others")
        for path, each in found.items():
            self.note(path, release, each.parse)
        # Immediately: a DAG may have become due, or lost its last run, meanwhile.
        self._check_after = self._monotonic()
        log.info("The parses of %d files are valid in release %s", len(found), release)
        return found

    def _is_still(self, parse: Parse, inputs: Inputs | None) -> bool:
        """Whether a parse of these inputs would give the same."""
        return not parse.dynamic and self.parse(inputs, parse.dags) == parse

    def are_dynamic(self, paths: Iterable[str]) -> set[str]:
        return {path for path in paths if (found := self._parsed.get(path)) and found.parse.dynamic}

    def are_settled(self, paths: Iterable[str], release: str) -> set[str]:
        """Those that need no parse now, except after their interval. Never raises."""
        self._check(release)
        return {
            path
            for path in paths
            if path not in self._unsettled
            and (parsed := self._parsed.get(path))
            and parsed.release == release
        }

    def follow(
        self,
        old: str,
        new: str,
        inputs: Callable[[str], Inputs | None],
        excepted: Iterable[str] = (),
    ) -> set[str]:
        """Another release is served. Returns the files that have to be parsed now. Never raises.

        `excepted` are files whose parse is still due.
        """
        former, self._parsed = self._parsed, {}
        try:
            now = {path: inputs(path) for path in former}
            same = {
                path: parsed.parse
                for path, parsed in former.items()
                if parsed.release == old and self._is_still(parsed.parse, now[path])
            }
            for path in excepted:
                same.pop(path, None)
            moved = self._rows.move(same, old, new)
            self._parsed = {path: _Parsed(new, same[path]) for path in moved}
        except Exception:
            log.exception("Could not tell what release %s changes; parsing every file", new)
            return set(former)
        log.info("Release %s leaves %d files as they are", new, len(moved))
        # Airflow parses dynamic files when it has parsed these.
        return {
            path
            for path, parsed in former.items()
            if now[path] is not None and not parsed.parse.dynamic
        } - moved

    def _check(self, release: str) -> None:
        if self._monotonic() < self._check_after:
            return
        try:
            parses = {
                path: parsed.parse
                for path, parsed in self._parsed.items()
                if parsed.release == release
            }
            self._unsettled = self._rows.to_parse(parses, release)
        except Exception:
            # A parse could not be recorded now either.
            log.exception("Could not look at the DAGs in the database; trying again later")
        self._check_after = self._monotonic() + SECONDS_BETWEEN_CHECKS
