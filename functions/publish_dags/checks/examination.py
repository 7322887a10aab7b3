"""Check the files of a new release. Only files that changed are read."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from contracts.release_manifest import ReleaseFile, ReleaseManifest, path_problems
from publish_dags.checks.ignore_files import ignored, is_ignore_file, rule_problem
from publish_dags.checks.limits import Limits
from publish_dags.checks.problems import Problem, RefusedError
from publish_dags.checks.python_files import (
    Finding,
    doubled_dags,
    examine_source,
    is_python,
    without_syntax_warnings,
)
from publish_dags.ports import DagSource, SourceFile, SourceListing

_PARALLEL_READS = 16
_MAX_IGNORE_FILE_BYTES = 64 * 1024


@dataclass
class Examination:
    """The content of the new release, and the bytes of the files that the base does not have."""

    files: dict[str, ReleaseFile] = field(default_factory=dict)
    new: dict[str, bytes] = field(default_factory=dict)
    ignore_files: dict[str, str] = field(default_factory=dict)
    imports: dict[str, Mapping[str, int]] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    read: int = 0


def examine(
    source: DagSource, listing: SourceListing, limits: Limits, base: ReleaseManifest | None
) -> Examination:
    """RefusedError with all reasons if the files cannot be a release."""
    problems = limits.problems(listing.files)
    bad_paths = path_problems({file.path: file for file in listing.files})
    problems += [Problem(path, f"the path {reason}") for path, reason in bad_paths.items()]
    if problems:
        # Nothing has been read yet: limits must be checked before reading.
        raise RefusedError(problems)
    known = base.files if base else {}
    with without_syntax_warnings(), ThreadPoolExecutor(_PARALLEL_READS) as pool:
        result = Examination()
        problems = _read_ignore_files(source, listing, base, result)
        unparsed = ignored([file.path for file in listing.files], result.ignore_files)

        def look(file: SourceFile) -> tuple[ReleaseFile, bytes, Finding]:
            return _look(file, source.read(file), file.path not in unparsed)

        unknown = []
        for file in listing.files:
            entry = known.get(file.path)
            heeded = entry is not None and (entry.checked or file.path in unparsed)
            if entry is None or entry.etag != file.etag or not heeded:
                unknown.append(file)
            else:
                result.files[file.path] = entry
                if base and file.path in base.imports and file.path not in unparsed:
                    result.imports[file.path] = base.imports[file.path]
        for file, (entry, data, finding) in zip(unknown, pool.map(look, unknown), strict=True):
            result.files[file.path] = entry
            result.new[entry.sha256] = data
            if finding.problem and entry.checked:
                problems.append(finding.problem)
            elif finding.problem:
                result.warnings.append(finding.problem)
            elif finding.imports and file.path not in unparsed:
                result.imports[file.path] = finding.imports
    result.read = len(unknown)
    parsed: Mapping[str, Mapping[str, int]] = {
        path: entry.dags for path, entry in result.files.items() if path not in unparsed
    }
    problems += doubled_dags(parsed)
    if problems:
        raise RefusedError(problems)
    return result


def _look(file: SourceFile, data: bytes, parsed: bool) -> tuple[ReleaseFile, bytes, Finding]:
    finding = examine_source(file.path, data) if is_python(file.path) else Finding()
    checked = parsed or finding.problem is None
    digest = hashlib.sha256(data).hexdigest()
    return ReleaseFile(digest, len(data), file.etag, checked, finding.dags), data, finding


def _read_ignore_files(
    source: DagSource, listing: SourceListing, base: ReleaseManifest | None, result: Examination
) -> list[Problem]:
    problems = []
    for file in listing.files:
        if not is_ignore_file(file.path):
            continue
        if base and file.path in base.ignore_files and base.files[file.path].etag == file.etag:
            result.ignore_files[file.path] = base.ignore_files[file.path]
            continue
        if file.size > _MAX_IGNORE_FILE_BYTES:
            problems.append(Problem(file.path, f"is larger than {_MAX_IGNORE_FILE_BYTES:,} bytes"))
            continue
        try:
            text = source.read(file).decode()
        except UnicodeDecodeError as error:
            problems.append(Problem(file.path, f"is not UTF-8: {error}"))
            continue
        if reason := rule_problem(text):
            problems.append(Problem(file.path, f"contains an invalid pattern: {reason}"))
            continue
        result.ignore_files[file.path] = text
    return problems
