"""All checks of a project, in order; one that cannot run is a finding, and does not stop others."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from check_dags.findings import CheckResult, Finding, Report
from check_dags.imports import import_files
from check_dags.linters import lint
from check_dags.project import ProgramError, Project
from check_dags.publisher import check_release
from check_dags.quality_gate import QualityGate
from check_dags.rules import check_rules
from check_dags.security import check_security
from check_dags.settings import CHECKS
from check_dags.user_tests import run_tests


@dataclass(frozen=True)
class Stack:
    """What the publisher of a stack knows: its queues and its limits of a release."""

    queues: tuple[str, ...] = ("default",)
    isolated_queues: tuple[str, ...] = ()
    dag_releases: str = "{}"


def check_project(
    project: Project, stack: Stack, skip: Sequence[str] = (), commit: str = ""
) -> Report:
    """Run every check that is not skipped."""
    report = Report(project.shown(project.folder))
    skipped = {*project.settings.skip, *skip}

    def lint_all() -> list[CheckResult]:
        return [lint(project)]

    def security() -> list[CheckResult]:
        return [check_security(project)]

    def release() -> list[CheckResult]:
        return [check_release(project, stack.queues, stack.isolated_queues, stack.dag_releases)]

    def imports() -> list[CheckResult]:
        result, report.imports = import_files(project)
        return [result]

    def rules() -> list[CheckResult]:
        return [check_rules(project.settings.rules, report.imports)]

    def tests() -> list[CheckResult]:
        return [*run_tests(project)]

    def quality_gate() -> list[CheckResult]:
        settings = project.settings.quality_gate
        token = os.environ.get(settings.token_variable, "")
        return [QualityGate(settings, token, commit).check()]

    steps: dict[str, Callable[[], list[CheckResult]]] = {
        "lint": lint_all,
        "security": security,
        "release": release,
        "import": imports,
        "rules": rules,
        "tests": tests,
        "quality-gate": quality_gate,
    }
    for name, step in steps.items():
        left_out = "left out by the settings or the command"
        if name in skipped:
            report.results.append(CheckResult(name, skipped=left_out))
            continue
        if name == "rules" and "import" in skipped:
            # A rule that nothing is compared with would always be kept.
            findings = [Finding("rules", "rules need the check import")]
            report.results.append(CheckResult(name, findings=findings))
            continue
        report.results += _timed(name, step)
    # With the tests, where it is measured.
    report.results.sort(key=lambda each: CHECKS.index(each.name))
    return report


def _timed(name: str, step: Callable[[], list[CheckResult]]) -> list[CheckResult]:
    begun = time.monotonic()
    try:
        results = step()
    except ProgramError as error:
        results = [CheckResult(name, findings=[Finding("check-failed", str(error))])]
    took = time.monotonic() - begun
    return [replace(each, seconds=took if each is results[0] else 0.0) for each in results]
