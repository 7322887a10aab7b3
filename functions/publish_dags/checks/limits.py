"""How large a release may be: every task has to store it on its disk."""

from collections.abc import Sequence
from dataclasses import dataclass

from publish_dags.checks.problems import Problem
from publish_dags.ports import SourceFile

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    files: int
    total_bytes: int

    @classmethod
    def of_mib(cls, files: int, total_mib: int) -> "Limits":
        return cls(files, total_mib * _MIB)

    def problems(self, files: Sequence[SourceFile]) -> list[Problem]:
        """The limits that are exceeded, from the listing alone."""
        found = []
        if len(files) > self.files:
            found.append(Problem("", f"{len(files):,} files; {self.files:,} are allowed"))
        total = sum(file.size for file in files)
        if total > self.total_bytes:
            found.append(
                Problem("", f"{total:,} bytes in all files; {self.total_bytes:,} are allowed")
            )
        return found
