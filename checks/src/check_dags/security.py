"""Security findings: those that were accepted before, those that are new, and a rating."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from check_dags.findings import CheckResult, Finding, Level
from check_dags.linters import find_weaknesses
from check_dags.project import Project
from check_dags.settings import RATINGS, SettingsError

# The rating of a folder is that of its worst finding; without one it is A.
_RATING: Mapping[str, str] = {"undefined": "B", "low": "B", "medium": "C", "high": "D"}


def check_security(project: Project) -> CheckResult:
    """An error for each finding that the settings do not accept and that is not in the baseline."""
    gate = project.settings.gate
    found = find_weaknesses(project)
    known = read_baseline(project.root / gate.baseline)
    accepted = 0
    findings = []
    for severity, finding in found:
        mark = _mark(finding)
        if known[mark]:
            known[mark] -= 1
            accepted += 1
            findings.append(replace(finding, level=Level.NOTE))
        elif _RATING[severity] > gate.rating:
            findings.append(finding)
        else:
            findings.append(replace(finding, level=Level.WARNING))
    rating = max((_RATING[severity] for severity, _ in found), default=RATINGS[0])
    summary = f"rating {rating}, {len(found)} findings, {accepted} of them in the baseline"
    return CheckResult("security", summary, findings)


def read_baseline(path: Path) -> Counter[str]:
    """How often each accepted finding may occur; empty without a file.

    Raises:
        SettingsError: the file is not a baseline.
    """
    if not path.exists():
        return Counter()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["findings"]
        return Counter(f"{each['rule']} {each['path']} {each['line']}" for each in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} is not a baseline ({error}): write it with --write-baseline"
        ) from error


def write_baseline(project: Project) -> int:
    """Accept all present findings; how many there are."""
    findings: Sequence[Finding] = [finding for _, finding in find_weaknesses(project)]
    entries = [
        {"rule": each.rule, "path": each.path, "line": _digest(each.text), "text": each.text}
        for each in sorted(findings, key=lambda each: (each.path, each.line or 0, each.rule))
    ]
    path = project.root / project.settings.gate.baseline
    path.write_text(json.dumps({"findings": entries}, indent=2) + "\n", encoding="utf-8")
    return len(entries)


def _mark(finding: Finding) -> str:
    """The same after lines have moved, and another one after the line has changed."""
    return f"{finding.rule} {finding.path} {_digest(finding.text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
