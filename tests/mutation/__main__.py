"""`make test-mutation`: plant each fault in a copy of the tree and see whether a test notices it.

    python -m tests.mutation [--kind iam] [--slice 1/4] [--cheapest] [--previous FILE]
                             [--report FILE] [NAME ...]

Every mutant gets the tree as it is now, uncommitted changes included, in one git worktree that is
reset in between. The tests run in the order of their cost and stop at the first failure. What a
kind can judge without a run of pytest is judged first. Ends with exit code 1 when a mutant survives
without a reason in its entry, or is noticed in spite of one.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.faults import FAULTS
from tests.mutation.iam import IAM, noticed_by_calls
from tests.mutation.mutant import Mutant, MutantError, run_of

# Every kind of mutant.
KINDS: dict[str, Sequence[Mutant]] = {"faults": FAULTS, "iam": IAM}
# Kinds that are judged together, in one process: mutant → what notices it. The rest gets its runs.
TOGETHER: dict[str, Callable[[Sequence[Mutant]], dict[str, str]]] = {"iam": noticed_by_calls}

ROOT = Path(__file__).resolve().parents[2]
# A mutant may make a test wait for ever.
RUN_SECONDS = 1800
# The environment and pytest's arguments.
Run = tuple[str, tuple[str, ...]]
_NOTICED = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What became of a mutant: the test that noticed it, or an empty text."""

    name: str
    noticed_by: str
    seconds: float
    expected_to_survive: str

    @property
    def is_as_expected(self) -> bool:
        return bool(self.noticed_by) != bool(self.expected_to_survive)


def git(*arguments: str, cwd: Path = ROOT) -> str:
    """The output of a git command."""
    done = subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A worktree of the present state, with the environments of this one."""
    state = git("stash", "create") or "HEAD"
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = Path(folder, "tree")
        git("worktree", "add", "--quiet", "--detach", str(tree), state)
        try:
            (tree / ".venv").symlink_to((ROOT / ".venv").resolve())
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def first_failure(tree: Path, environment: str, arguments: tuple[str, ...]) -> str:
    """The test that fails first; empty when all pass."""
    python = ROOT / ".venv" / environment / "bin" / "python"
    command = [python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header"]
    try:
        done = subprocess.run(
            [*command, *arguments], cwd=tree, capture_output=True, text=True, timeout=RUN_SECONDS,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{arguments[0]} (no end within {RUN_SECONDS} s)"
    if done.returncode == 0:
        return ""
    if done.returncode not in (1, 2):
        # Wrong arguments or no tests: that is no proof.
        raise MutantError(f"pytest {' '.join(arguments)} could not run:\n{done.stdout[-2000:]}")
    found = _NOTICED.search(done.stdout)
    return found.group(1) if found else f"{arguments[0]} (exit code {done.returncode})"


def runs_of(mutant: Mutant, most_runs: int | None, before: Mapping[str, str]) -> list[Run]:
    """The runs of a mutant; first the test that noticed it in an earlier report, if any."""
    runs = mutant.runs()[:most_runs]
    known = before.get(mutant.name, "")
    return [run_of(known), *runs] if known else runs


def judge(mutant: Mutant, tree: Path, most_runs: int | None, before: Mapping[str, str]) -> Result:
    """Plant one fault, run its tests, take it out."""
    started = time.monotonic()
    mutant.apply(tree)
    noticed = ""
    try:
        for environment, arguments in runs_of(mutant, most_runs, before):
            noticed = first_failure(tree, environment, arguments)
            if noticed:
                break
    finally:
        git("checkout", "--quiet", "--", ".", cwd=tree)
        git("clean", "-fdq", "-e", ".venv", cwd=tree)
    return Result(mutant.name, noticed, time.monotonic() - started, mutant.survives)


def judged_together(mutants: list[Mutant]) -> list[Result]:
    """The mutants that are noticed without a run of pytest."""
    found: list[Result] = []
    for kind, judge_all in TOGETHER.items():
        of_kind = [each for each in mutants if each in KINDS[kind]]
        if not of_kind:
            continue
        print(f"{len(of_kind)} mutants of {kind} together", flush=True)
        started = time.monotonic()
        noticed = judge_all(of_kind)
        seconds = (time.monotonic() - started) / len(of_kind)
        found += [
            Result(each.name, noticed[each.name], seconds, each.survives)
            for each in of_kind
            if each.name in noticed
        ]
        print(f"    {len(found)} noticed", flush=True)
    return found


def check_without_mutants(
    mutants: list[Mutant], tree: Path, most_runs: int | None, before: Mapping[str, str]
) -> None:
    """Refuse to start when a test fails anyway: it would seem to notice every mutant."""
    runs = dict.fromkeys(run for mutant in mutants for run in runs_of(mutant, most_runs, {}))
    for mutant in mutants:
        known = before.get(mutant.name, "")
        # Otherwise it is one of the tests above.
        if known and not known.startswith(tuple(arguments[0] for _environment, arguments in runs)):
            runs[run_of(known)] = None
    for number, (environment, arguments) in enumerate(runs, 1):
        print(f"Without a mutant [{number}/{len(runs)}]: {' '.join(arguments)}", flush=True)
        if failed := first_failure(tree, environment, arguments):
            raise MutantError(f"{failed} fails without any mutant: correct it first")


def chosen(names: list[str], part: str, kinds: Sequence[str]) -> list[Mutant]:
    """The mutants to run: those named, or one slice of all of some kinds."""
    every = [mutant for kind in kinds for mutant in KINDS[kind]]
    unknown = set(names) - {each.name for each in every}
    if unknown:
        raise MutantError(f"There is no mutant {', '.join(sorted(unknown))}")
    number, of = (int(each) for each in part.split("/"))
    wanted = [each for each in every if not names or each.name in names]
    return wanted[number - 1 :: of]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--kind", choices=KINDS, help="only the mutants of this kind")
    parser.add_argument("--slice", default="1/1", help="1/4 runs the first of four parts")
    parser.add_argument("--cheapest", action="store_true", help="only the first run of each mutant")
    parser.add_argument(
        "--previous", type=Path, help="an earlier report: what noticed a mutant then runs first"
    )
    parser.add_argument("--report", type=Path, help="JSON with every result")
    given = parser.parse_args(arguments)
    # So that the worktree is removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated"))
    most_runs = 1 if given.cheapest else None
    before = _noticed_in(given.previous) if given.previous else {}
    results: list[Result] = []
    try:
        mutants = chosen(given.names, given.slice, [given.kind] if given.kind else list(KINDS))
        results += judged_together(mutants)
        judged = {each.name for each in results}
        mutants = [each for each in mutants if each.name not in judged]
        with copied_tree() as tree:
            check_without_mutants(mutants, tree, most_runs, before)
            for number, mutant in enumerate(mutants, 1):
                print(f"[{number}/{len(mutants)}] {mutant.name}: {mutant.breaks}", flush=True)
                result = judge(mutant, tree, most_runs, before)
                results.append(result)
                seen = f"noticed by {result.noticed_by}" if result.noticed_by else "SURVIVED"
                print(f"    {seen} ({result.seconds:.0f} s)", flush=True)
    except MutantError as error:
        sys.exit(str(error))
    finally:
        if given.report:
            given.report.parent.mkdir(parents=True, exist_ok=True)
            given.report.write_text(json.dumps([asdict(each) for each in results], indent=2))
    print_table(results)
    return 0 if all(each.is_as_expected for each in results) else 1


def _noticed_in(report: Path) -> dict[str, str]:
    """The test that noticed each mutant of a report, where it was a single test."""
    return {
        each["name"]: each["noticed_by"]
        for each in json.loads(report.read_text())
        if "::" in each["noticed_by"]
    }


def print_table(results: list[Result]) -> None:
    """Every mutant with the test that noticed it, then the sum."""
    width = max((len(each.name) for each in results), default=0)
    print()
    for each in results:
        survived = f"survived: {each.expected_to_survive or 'NO TEST NOTICES IT'}"
        print(f"{each.name:<{width}}  {each.noticed_by or survived}")
    noticed = sum(1 for each in results if each.noticed_by)
    print(f"\n{noticed} of {len(results)} noticed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
