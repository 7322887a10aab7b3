"""How large a release may be, since every task stores it, and how many DAG files a class holds."""

from collections.abc import Iterator, Sequence, Sized
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


def outgrown(dag_files: Sized, of_class: int) -> Iterator[Problem]:
    """A warning if the dag-processor of this size takes long for so many files.

    `of_class` is 0 where the size is not that of the class. The text is the same for each number
    of files, so that a warning is new only once.
    """
    if 0 < of_class < len(dag_files):
        yield Problem(
            "",
            f"more than the {of_class:,} DAG files that the EnvironmentClass of this stack is "
            "meant for: a change takes longer until it is visible. Choose a larger class, or a "
            "larger size for the dag-processor",
        )
