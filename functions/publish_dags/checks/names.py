"""Which keys or names of a source can be files of a release.

S3 and zip files allow names that a file system does not, and tools leave empty objects that mark
folders. These are skipped, quoted as the user sees them: with the prefix of the DAGs folder.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field

from contracts.release_manifest import path_problem
from publish_dags.checks.problems import Problem
from publish_dags.ports import SourceFile

# Written by Hadoop and EMR.
_FOLDER_SUFFIX = "_$folder$"
_ZIP = ".zip"


@dataclass
class SortedNames:
    """`warnings` are about empty objects, `problems` about files that are missing in a release."""

    files: list[SourceFile] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def sort_names(
    files: Iterable[SourceFile], live: Container[str], shown: Callable[[str], str]
) -> SortedNames:
    """`live` contains the paths of the current release."""
    found = SortedNames()
    valid: dict[str, SourceFile] = {}
    for file in files:
        if problem := _problem(file.path, shown(file.path)):
            found.problems.append(Problem(shown(file.path), problem))
        else:
            valid[file.path] = file
    folders: dict[str, list[str]] = {}
    for path in valid:
        for folder in _folders(path):
            folders.setdefault(folder, []).append(path)
    for path in valid.keys() & folders.keys() | {p for p in valid if p.endswith(_FOLDER_SUFFIX)}:
        if valid[path].size == 0:
            reason = "is an empty object that marks a folder, so it is skipped"
            found.warnings.append(Problem(shown(path), reason))
            del valid[path]
    # Both a file and a folder, which a file system does not allow. Outer folders first.
    for path in sorted(valid.keys() & folders.keys()):
        inside = [each for each in folders[path] if each in valid]
        if path not in valid or not inside:
            continue
        if path in live and not any(each in live for each in inside):
            reason = f"the path is in {shown(path)!r}, which is also a file"
            out, reasons = inside, reason
        else:
            out, reasons = [path], "the path is also that of a folder"
        for each in out:
            del valid[each]
            found.problems.append(Problem(shown(each), reasons))
    found.files = list(valid.values())
    found.warnings.sort(key=lambda each: each.path)
    return found


def _problem(path: str, shown: str) -> str | None:
    if path.startswith("/") and not shown.startswith("/"):
        # Of a key `dags//a.py` this is the path that follows the prefix.
        return "the path contains an empty folder name"
    if problem := path_problem(path):
        return f"the path {problem}"
    if path.lower().endswith(_ZIP) and not path.endswith(_ZIP):
        return f"Airflow reads a zip file only if its name ends in {_ZIP} in lower case"
    return None


def _folders(path: str) -> Iterator[str]:
    names = path.split("/")
    return ("/".join(names[:depth]) for depth in range(1, len(names)))
