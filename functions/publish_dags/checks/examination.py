"""Check the files of a new release. Only files that changed are read.

A file that cannot be part of a release stays out of it, and its last good version stays in if there
is one. The caller decides whether such a release is published.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.release_manifest import Exclusion, ReleaseFile, ReleaseManifest, printable
from publish_dags.checks.copies import copies
from publish_dags.checks.imports import imported_at_parsing, modules_of
from publish_dags.checks.limits import Limits
from publish_dags.checks.names import sort_names
from publish_dags.checks.problems import Problem, RefusedError
from publish_dags.checks.python_files import (
    Finding,
    examine_source,
    is_python,
    name_problem,
    without_syntax_warnings,
)
from publish_dags.ports import DagSource, SourceFile, SourceListing
from shared.ignore_files import ignored, is_ignore_file, rule_problem

# Increase it when the checks find something else in the same file: every file is then read again.
CHECKS = 3

_PARALLEL_READS = 16
_MAX_IGNORE_FILE_BYTES = 64 * 1024

_UNPARSED = "Airflow does not parse this file, so it is in the release unchecked"


@dataclass
class Examination:
    """The content of the new release, and the bytes of the files that the base does not have.

    `parsed` are the files that Airflow parses. `broken` are modules that do not compile and are in
    the release although a DAG imports them, because there is no version that compiles.
    """

    files: dict[str, ReleaseFile] = field(default_factory=dict)
    new: dict[str, bytes] = field(default_factory=dict)
    ignore_files: dict[str, str] = field(default_factory=dict)
    imports: dict[str, Mapping[str, int]] = field(default_factory=dict)
    queues: dict[str, Mapping[str, int]] = field(default_factory=dict)
    scripts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    exclusions: list[Exclusion] = field(default_factory=list)
    broken: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    parsed: frozenset[str] = frozenset()
    read: int = 0

    @property
    def problems(self) -> list[Problem]:
        """Why the files as they are cannot all be part of the release."""
        left_out = [Problem(each.path, each.reason, each.line) for each in self.exclusions]
        return left_out + self.broken

    def manifest(self) -> ReleaseManifest:
        """The manifest of the release, which has no id yet."""
        return ReleaseManifest(
            "",
            self.files,
            ignore_files=self.ignore_files,
            imports=self.imports,
            queues=self.queues,
            exclusions=tuple(self.exclusions),
            scripts=self.scripts,
            checks=CHECKS,
        )


def examine(
    source: DagSource,
    listing: SourceListing,
    limits: Limits,
    base: ReleaseManifest | None,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Examination:
    """RefusedError if the files are too many or too large, or take too long to check."""
    # Nothing has been read yet: limits must be checked before reading.
    _check(limits, listing.files)
    with without_syntax_warnings(), ThreadPoolExecutor(_PARALLEL_READS) as pool:
        found = _Examiner(source, listing, base, pool, out_of_time).examine()
    # Again, because versions of the current release may have stayed in.
    _check(limits, [SourceFile(path, "", file.size) for path, file in found.files.items()])
    return found


def _check(limits: Limits, files: Sequence[SourceFile]) -> None:
    if problems := limits.problems(files):
        raise RefusedError(problems)


class _Base:
    """What the current release knows."""

    def __init__(self, manifest: ReleaseManifest) -> None:
        self.manifest = manifest
        self.files = manifest.files
        self._same_checks = manifest.checks == CHECKS
        self._unparsed = ignored(self.files, manifest.ignore_files)
        self._kept = {each.path: each.kept for each in manifest.exclusions if each.kept}
        self._excluded = {each.path: each for each in manifest.exclusions if each.etag}

    def has_rules(self, file: SourceFile) -> bool:
        """Whether the release contains the ignore file as it is now, and it need not be checked."""
        return self._same_checks and self.files[file.path].etag == file.etag

    def has(self, file: SourceFile, unparsed: bool) -> bool:
        """Whether the release contains the file as it is now, and it need not be checked."""
        entry = self.files.get(file.path)
        if entry is None or entry.etag != file.etag:
            return False
        if is_python(file.path) and not self._same_checks:
            return False
        return entry.checked or unparsed or file.path in self.manifest.scripts

    def excluded(self, file: SourceFile) -> Exclusion | None:
        """The verdict on the file as it is now, if it stayed out."""
        exclusion = self._excluded.get(file.path)
        same = exclusion is not None and exclusion.etag == file.etag and self._same_checks
        return exclusion if same else None

    def good(self, path: str, instead_of: str = "") -> ReleaseFile | None:
        """The version of the file that can stay in, other than the one with this hash."""
        entry = self.files.get(path)
        if entry is None or not entry.checked or entry.sha256 == instead_of:
            return None
        # It was not live, or Airflow could not parse it.
        return None if path in self._unparsed or name_problem(path) else entry

    def parsed(self, path: str) -> bool:
        """Whether Airflow parses the release's version of the file."""
        unparsed = path in self.manifest.scripts or path in self._unparsed
        return path in self.files and is_python(path) and self._same_checks and not unparsed

    def dags(self) -> dict[str, Mapping[str, int]]:
        return {p: f.dags for p, f in self.files.items() if f.dags and p not in self._unparsed}

    def release_of(self, path: str) -> str:
        """The release from which the release's version of the file comes."""
        return self._kept.get(path) or self.manifest.release


@dataclass(frozen=True)
class _Seen:
    """A file that was read."""

    file: SourceFile
    entry: ReleaseFile
    data: bytes
    finding: Finding


class _Examiner:
    """Works on one listing."""

    def __init__(
        self,
        source: DagSource,
        listing: SourceListing,
        base: ReleaseManifest | None,
        pool: Executor,
        out_of_time: Callable[[], bool],
    ) -> None:
        self._source = source
        self._listing = listing
        self._base = _Base(base or ReleaseManifest("", {}))
        self._pool = pool
        self._out_of_time = out_of_time
        self._result = Examination()
        self._excluded: dict[str, Exclusion] = {}
        self._unparsed: frozenset[str] = frozenset()

    def examine(self) -> Examination:
        result, listing = self._result, self._listing
        names = sort_names(listing.files, self._base.files, listing.shown)
        files = {file.path: file for file in names.files}
        self._read_ignore_files(files.values())
        self._unparsed = ignored(files, result.ignore_files)
        unknown = [file for file in files.values() if not self._remember(file)]
        self._accept(unknown)
        self._leave_out_copies(files)
        result.parsed = self._parsed()
        result.warnings += names.warnings
        result.warnings += [
            Problem(path, f"{problem['reason']} ({_UNPARSED})", problem["line"])
            for path, problem in sorted(result.scripts.items())
            if problem and path not in self._unparsed
        ]
        odd = [Exclusion(p.path, p.reason, p.line) for p in (*listing.problems, *names.problems)]
        result.exclusions = sorted(
            [*odd, *self._excluded.values()], key=lambda each: (each.path, each.line or 0)
        )
        return result

    def _read_ignore_files(self, files: Iterable[SourceFile]) -> None:
        """One that Airflow cannot read must stay out: Airflow would not parse any file."""
        base = self._base
        for file in files:
            if not is_ignore_file(file.path):
                continue
            known = base.manifest.ignore_files.get(file.path)
            if known is not None and base.has_rules(file):
                self._result.ignore_files[file.path] = known
                continue
            text, problem = self._ignore_rules(file)
            if problem is None:
                self._result.ignore_files[file.path] = text
                continue
            self._exclude(file, Problem(file.path, problem))
            if file.path in self._result.files and known is not None:
                self._result.ignore_files[file.path] = known

    def _ignore_rules(self, file: SourceFile) -> tuple[str, str | None]:
        if file.size > _MAX_IGNORE_FILE_BYTES:
            return "", f"is larger than {_MAX_IGNORE_FILE_BYTES:,} bytes"
        try:
            text = self._source.read(file).decode()
        except UnicodeDecodeError as error:
            return "", f"is not UTF-8: {error}"
        return text, rule_problem(text)

    def _remember(self, file: SourceFile) -> bool:
        """Whether nothing has to be read: the base has the file, or a verdict on it."""
        path, unparsed = file.path, file.path in self._unparsed
        if path in self._excluded:
            return True
        verdict = self._base.excluded(file)
        if verdict and not unparsed:
            # Whether a copy has to stay out depends on other files.
            if not verdict.dags:
                self._exclude(file, Problem(path, verdict.reason, verdict.line))
            return True
        if verdict or not self._base.has(file, unparsed):
            return False
        self._keep(path)
        return True

    def _accept(self, files: Sequence[SourceFile]) -> None:
        """Read files and decide on each."""
        result = self._result
        doubtful = []
        for seen in self._pool.map(self._look, files):
            path, finding = seen.file.path, seen.finding
            if finding.problem is None or path in self._unparsed:
                self._add(seen)
                if finding.problem:
                    result.warnings.append(finding.problem)
            elif finding.parsed:
                self._exclude(seen.file, finding.problem, seen.entry)
            else:
                doubtful.append(seen)
        result.read += len(files)
        _, imported = imported_at_parsing(result.imports, self._parsed())
        for seen in doubtful:
            self._accept_script(seen, imported)

    def _accept_script(self, seen: _Seen, imported: frozenset[str]) -> None:
        """A Python file that does not compile, and that Airflow does not parse.

        It is none of Airflow's business, unless it was a DAG file before, or DAGs import it.
        """
        path, problem = seen.file.path, seen.finding.problem
        assert problem is not None
        needed = not imported.isdisjoint(modules_of(path))
        if self._base.good(path, seen.entry.sha256) and (needed or self._base.parsed(path)):
            self._exclude(seen.file, problem, seen.entry)
            return
        self._add(seen)
        if needed:
            self._result.broken.append(problem)

    def _leave_out_copies(self, files: Mapping[str, SourceFile]) -> None:
        result, live = self._result, self._base.dags()
        # Copies that were not read, because they stayed out before.
        former = {
            path: verdict.dags
            for path, file in files.items()
            if path not in self._unparsed and (verdict := self._base.excluded(file))
            if verdict.dags
        }
        claims = {
            path: file.dags
            for path, file in result.files.items()
            if file.dags and path not in self._unparsed
        } | former
        while lost := copies(claims, live):
            for copy in lost:
                dags = claims.pop(copy.path)
                entry = result.files.get(copy.path)
                self._remove(copy.path)
                if copy.path in self._excluded:
                    # The version that stayed in is a copy itself.
                    self._excluded[copy.path] = replace(self._excluded[copy.path], kept="")
                    continue
                file, verdict = files[copy.path], self._base.excluded(files[copy.path])
                reason = copy.reason(verdict.reason if verdict else "")
                self._exclude(file, Problem(copy.path, reason, copy.line), entry, dags)
                if (kept := result.files.get(copy.path)) and kept.dags:
                    claims[copy.path] = kept.dags
        self._accept([files[path] for path in former if path not in self._excluded])

    def _exclude(
        self,
        file: SourceFile,
        problem: Problem,
        entry: ReleaseFile | None = None,
        dags: Mapping[str, int] | None = None,
    ) -> None:
        """Leave a file out; its version in the base stays in, if that is good."""
        path, kept = file.path, ""
        if self._base.good(path, entry.sha256 if entry else ""):
            self._keep(path)
            kept = self._base.release_of(path)
        self._excluded[path] = Exclusion(
            path, printable(problem.reason), problem.line, kept, file.etag, dags or {}
        )

    def _keep(self, path: str) -> None:
        """Take the base's version of a file, with what is known about it."""
        base, result = self._base.manifest, self._result
        result.files[path] = base.files[path]
        if path in base.imports and path not in self._unparsed:
            result.imports[path] = base.imports[path]
        if path in base.queues and path not in self._unparsed:
            result.queues[path] = base.queues[path]
        if path in base.scripts:
            result.scripts[path] = base.scripts[path]

    def _add(self, seen: _Seen) -> None:
        path, finding, result = seen.file.path, seen.finding, self._result
        result.files[path] = seen.entry
        result.new[seen.entry.sha256] = seen.data
        if finding.imports and path not in self._unparsed:
            result.imports[path] = finding.imports
        if finding.queues and path not in self._unparsed:
            result.queues[path] = finding.queues
        if is_python(path) and not finding.parsed:
            problem = finding.problem
            result.scripts[path] = (
                {"reason": problem.reason, "line": problem.line} if problem else {}
            )

    def _remove(self, path: str) -> None:
        result = self._result
        for known in (result.files, result.imports, result.queues, result.scripts):
            known.pop(path, None)

    def _parsed(self) -> frozenset[str]:
        result = self._result
        return frozenset(
            path
            for path in result.files
            if is_python(path) and path not in result.scripts and path not in self._unparsed
        )

    def _look(self, file: SourceFile) -> _Seen:
        if self._out_of_time():
            # A function that times out reports nothing.
            raise RefusedError([Problem("", f"checking the files took too long; at {file.path}")])
        data = self._source.read(file)
        finding = Finding()
        if is_python(file.path):
            finding = examine_source(file.path, data)
        elif problem := name_problem(file.path) if file.path.endswith(".zip") else None:
            finding = Finding(problem, parsed=True)
        entry = ReleaseFile(
            hashlib.sha256(data).hexdigest(),
            len(data),
            file.etag,
            checked=finding.problem is None,
            dags=finding.dags,
        )
        return _Seen(file, entry, data, finding)
