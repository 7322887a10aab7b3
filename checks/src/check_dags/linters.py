"""Ruff with the rules about Airflow and about code that cannot work, and bandit."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from check_dags.findings import CheckResult, Finding, Level
from check_dags.project import ProgramError, Project, run_program

# AIR: what Airflow 3 removed, moved or deprecated. E9, F63, F7, F82: code that cannot run.
_RULES = "AIR,E9,F63,F7,F82"
# What no longer works. The others are advice, or names that still work.
_REMOVED = ("AIR301", "AIR302", "AIR303")
_SECONDS = 300.0


def lint(project: Project) -> CheckResult:
    """Ruff's findings about all Python files, tests included."""
    command = [
        sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--no-fix",
        "--exit-zero", "--output-format", "json", "--select", _RULES, "--target-version", "py313",
        str(project.folder),
    ]  # fmt: skip
    findings = []
    for each in _json("ruff", command):
        rule = each["code"] or each.get("name", "invalid-syntax")
        level = Level.WARNING if rule.startswith("AIR") and rule not in _REMOVED else Level.ERROR
        path, line = project.shown(each["filename"]), each["location"]["row"]
        findings.append(Finding(rule, each["message"], path, line, level))
    return CheckResult("lint", f"{len(project.python_files)} Python files", findings)


def find_weaknesses(project: Project) -> list[tuple[str, Finding]]:
    """Bandit's findings in the folder without its tests, each with its severity."""
    files = [str(path) for path in project.python_files if not project.is_test(path)]
    if not files:
        return []
    command = [sys.executable, "-m", "bandit", "--quiet", "--exit-zero", "--format", "json"]
    found = []
    for each in _json("bandit", [*command, *files])["results"]:
        severity = str(each["issue_severity"]).lower()
        path, line = project.shown(each["filename"]), each["line_number"]
        message = f"{each['issue_text']} (severity {severity})"
        finding = Finding(each["test_id"], message, path, line, text=project.line_of(path, line))
        found.append((severity, finding))
    return found


def _json(name: str, command: Sequence[str]) -> Any:
    done = run_program(command, _SECONDS)
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise ProgramError(f"{name} failed with status {done.status}:\n{done.output}") from error
