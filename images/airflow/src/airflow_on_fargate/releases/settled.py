"""Which DAG files need no second parse, because the database has what a parse would write.

A file is *settled* in a release if it was parsed in it without an error, is not dynamic
(`parse_inputs`), and all its DAGs are in the database. When another release is served in which the
same inputs give the same DAGs, only the release of these DAGs is written. Airflow does the same
when it parses them: their next runs use the new release.

Whatever is not certain leaves the file to Airflow, which parses it at its own interval.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from airflow_on_fargate.releases.parse_inputs import Inputs

log = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS: Final = 30.0


class Rows(Protocol):
    """What the database has of one bundle."""

    def move(self, dags: Mapping[str, int], old: str, new: str) -> set[str]:
        """Write the release `new` for the DAGs of these files, whose numbers are given.

        Returns the files whose DAGs are complete and were parsed in `old`; of others it changes
        nothing.
        """

    def to_parse(self, dags: Mapping[str, int]) -> set[str]:
        """The files whose DAGs are not as their parse left them."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    release: str
    inputs: Inputs
    dags: int


class SettledFiles:
    def __init__(self, rows: Rows, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rows = rows
        self._monotonic = monotonic
        self._parsed: dict[str, _Parsed] = {}
        # Files that are parsed as usual for now; None if the database could not be asked.
        self._unsettled: set[str] | None = set()
        self._check_after = monotonic() + SECONDS_BETWEEN_CHECKS

    def note(self, path: str, release: str, inputs: Inputs | None, dags: int) -> None:
        """The file was parsed in this release, without an error."""
        self.forget(path)
        if inputs and not inputs.dynamic:
            self._parsed[path] = _Parsed(release, inputs, dags)

    def forget(self, path: str) -> None:
        """The file is parsed as usual."""
        self._parsed.pop(path, None)

    def are_settled(self, paths: Iterable[str], release: str) -> set[str]:
        """Those that need no parse now. Never raises."""
        self._check()
        unsettled = self._unsettled
        if unsettled is None:
            return set()
        return {
            path
            for path in paths
            if path not in unsettled
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
                path: parsed
                for path, parsed in former.items()
                if parsed.release == old and now[path] == parsed.inputs
            }
            for path in excepted:
                same.pop(path, None)
            moved = self._rows.move({path: each.dags for path, each in same.items()}, old, new)
            self._parsed = {path: replace(same[path], release=new) for path in moved}
        except Exception:
            log.exception("Could not tell what release %s changes; parsing every file", new)
            return set(former)
        log.info("Release %s leaves %d files as they are", new, len(moved))
        return {path for path in former if now[path] is not None} - moved

    def _check(self) -> None:
        if self._monotonic() < self._check_after:
            return
        try:
            dags = {path: parsed.dags for path, parsed in self._parsed.items()}
            self._unsettled = self._rows.to_parse(dags)
        except Exception:
            log.exception("Could not look at the DAGs in the database; parsing every file")
            self._unsettled = None
        self._check_after = self._monotonic() + SECONDS_BETWEEN_CHECKS
