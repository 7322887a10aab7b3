"""The project's own tests, and how much of the folder they run."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from check_dags.findings import Case, CheckResult, Finding, Level
from check_dags.project import Project, TooLongError, inside, run_program

# Lines that no test runs are shown for so many files.
_NAMED_FILES = 10


def run_tests(project: Project) -> tuple[CheckResult, CheckResult]:
    """The result of the tests, and that of their coverage."""
    settings, limit = project.settings.tests, project.settings.gate.coverage
    if not settings.folders:
        return (
            CheckResult("tests", skipped="the settings name no folder"),
            _no_coverage(limit, "no test runs"),
        )
    if missing := _missing(project):
        return (
            CheckResult("tests", findings=missing),
            _no_coverage(limit, "not every folder of tests exists"),
        )
    try:
        answer = _run(project, limit is not None)
    except TooLongError as error:
        finding = Finding("test-time", f"the tests took too long: {error}")
        return (
            CheckResult("tests", findings=[finding]),
            _no_coverage(limit, "the tests did not end"),
        )
    return _tests(project, answer), _coverage(project, answer, limit)


def _missing(project: Project) -> list[Finding]:
    return [
        Finding(
            "tests-missing",
            f"there is no folder {name}: create it, or name the folders of the tests in "
            "check-dags.toml ([tests] folders = [] if there are none)",
            project.shown(project.root / name),
        )
        for name in project.settings.tests.folders
        if project.test_folder(name) is None
    ]


def _run(project: Project, coverage: bool) -> dict[str, Any]:
    settings = project.settings.tests
    with tempfile.TemporaryDirectory(prefix="check-dags-") as name:
        home = Path(name).resolve()
        result = home / "tests.json"
        request = {
            "folder": str(project.folder),
            "root": str(project.root),
            "tests": [str(folder) for folder in project.test_folders],
            "runner": settings.runner,
            "arguments": settings.arguments,
            "coverage": coverage,
            "memory_mib": settings.memory_mib,
            "result": str(result),
        }
        done = run_program(
            [project.python, inside("run_tests")],
            settings.seconds,
            project.environment(home),
            home,
            json.dumps(request),
        )
        if not result.exists():
            # A test that ends the process, or that needs too much memory.
            return {"ended": f"exit status {done.status}: {done.output}", "tests": []}
        answer: dict[str, Any] = json.loads(result.read_text())
        return {**answer, "output": done.output}


def _tests(project: Project, answer: Mapping[str, Any]) -> CheckResult:
    if ended := answer.get("ended"):
        finding = Finding("tests-ended", f"the tests ended their process: {ended}")
        return CheckResult("tests", findings=[finding])
    findings, cases = [], []
    for each in answer["tests"]:
        failed, path = each["outcome"] == "failed", _path(project, each["path"])
        if failed:
            message = f"{each['name']} failed: {_reason(each['message'])}"
            findings.append(Finding("test-failed", message, path, each["line"]))
        skipped = "skipped" if each["outcome"] == "skipped" else ""
        failure = f"{_reason(each['message'])}\n\n{each['message']}" if failed else ""
        cases.append(Case(each["name"], each["seconds"], failure, skipped, path, each["line"]))
    for each in answer["broken"]:
        path = _path(project, each["path"].partition("::")[0])
        findings.append(Finding("test-broken", _reason(each["message"]), path))
    failed_without_reason = answer["status"] and not findings
    if not cases and not findings:
        findings.append(Finding("tests-missing", "the folders of the tests contain no test"))
    elif failed_without_reason:
        output = answer["output"].strip()
        findings.append(Finding("tests-ended", f"the tests failed: {output}"))
    return CheckResult("tests", f"{len(cases)} tests", findings, cases)


def _path(project: Project, path: str) -> str:
    return project.shown(project.root / path) if path else ""


def _reason(text: str) -> str:
    """The line of a traceback that says what was wrong."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    for line in lines:
        if line.startswith("E  "):
            return line.removeprefix("E").strip()
    return lines[-1] if lines else "no reason was given"


def _coverage(project: Project, answer: Mapping[str, Any], limit: float | None) -> CheckResult:
    covered = answer.get("coverage")
    if limit is None or covered is None:
        return _no_coverage(limit, "the tests ended their process")
    percent = covered["percent"]
    findings = []
    if percent < limit:
        message = f"the tests run {percent:.1f} % of the folder, and {limit:g} % are required"
        findings = [Finding("coverage", message), *_uncovered(project, covered["files"])]
    return CheckResult("coverage", f"{percent:.1f} % of at least {limit:g} %", findings)


def _uncovered(project: Project, files: Mapping[str, Any]) -> Iterable[Finding]:
    """The files with the most lines that no test runs."""
    worst = sorted(files.items(), key=lambda each: -len(each[1]["missing"]))
    for path, each in worst[:_NAMED_FILES]:
        if each["missing"]:
            message = f"no test runs {len(each['missing'])} lines, from this one on"
            where, line = _path(project, path), each["missing"][0]
            yield Finding("coverage-lines", message, where, line, Level.WARNING)


def _no_coverage(limit: float | None, why: str) -> CheckResult:
    if limit is None:
        return CheckResult("coverage", skipped="no limit is set")
    message = f"the coverage is unknown, because {why}; {limit:g} % are required"
    return CheckResult("coverage", findings=[Finding("coverage", message)])
