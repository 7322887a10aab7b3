"""The audit of locked packages: what fails it, and what is accepted for a while."""

import datetime
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
TODAY = datetime.date(2026, 11, 27)
LOCKS = ("functions/requirements.lock",)


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """local/audit.py, which is a script, not a package."""
    spec = importlib.util.spec_from_file_location("audit", ROOT / "local" / "audit.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "audit", module)
    spec.loader.exec_module(module)
    return module


def printed(*packages: dict[str, Any]) -> Any:
    return lambda lock: json.dumps({"dependencies": list(packages), "fixes": []})


def ignored(**changed: Any) -> str:
    entry = {"id": "CVE-2024-1", "reason": "not reachable", "until": "2026-12-31"} | changed
    return json.dumps([entry])


GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {
    "name": "bad",
    "version": "1",
    "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2024-1"], "fix_versions": ["2"]}],
}
SKIPPED = {"name": "absent", "skip_reason": "Dependency not found on PyPI"}


def test_known_vulnerability_fails_the_audit(audit):
    with pytest.raises(audit.AuditError, match="bad 1: PYSEC-2026-1, fixed in 2"):
        audit.audit(LOCKS, printed(GOOD, BAD), "[]", TODAY)


def test_package_that_was_not_looked_up_fails_the_audit(audit):
    with pytest.raises(audit.AuditError, match="absent: not looked up: Dependency not found"):
        audit.audit(LOCKS, printed(GOOD, SKIPPED), "[]", TODAY)


def test_clean_locks_pass(audit):
    said = audit.audit(LOCKS, printed(GOOD), "[]", TODAY)
    assert said == "No known vulnerability in 1 locks, 0 accepted."


def test_vulnerability_is_accepted_by_any_of_its_names(audit):
    for name in ("CVE-2024-1", "PYSEC-2026-1"):
        said = audit.audit(LOCKS, printed(BAD), ignored(id=name), TODAY)
        assert said.endswith("1 accepted.")


def test_acceptance_ends(audit):
    with pytest.raises(audit.AuditError, match=r"(?s)PYSEC-2026-1.*until 2026-11-26 only"):
        audit.audit(LOCKS, printed(BAD), ignored(until="2026-11-26"), TODAY)


def test_acceptance_of_nothing_is_reported(audit):
    with pytest.raises(audit.AuditError, match="CVE-2024-1 is accepted, but nothing has it"):
        audit.audit(LOCKS, printed(GOOD), ignored(), TODAY)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reason": " "}, "needs an id and a reason"),
        ({"id": ""}, "needs an id and a reason"),
        ({"until": ""}, "needs a day"),
        ({"until": "2028-01-01"}, "more than 180 days"),
    ],
)
def test_acceptance_needs_a_reason_and_an_end(audit, changed, message):
    with pytest.raises(audit.AuditError, match=message):
        audit.audit(LOCKS, printed(GOOD), ignored(**changed), TODAY)


def test_list_in_the_repository_is_valid_and_every_lock_exists(audit):
    audit.accepted(audit.IGNORED.read_text(), datetime.datetime.now().date())
    every = {
        *(ROOT / "local/environments").glob("*.lock"),
        ROOT / "functions/requirements.lock",
        ROOT / "images/airflow/requirements.lock",
    }
    left_out = {each.name for each in every - {ROOT / lock for lock in audit.LOCKS}}
    assert left_out == {"airflow-previous.lock", "postgres.lock"}


def test_output_that_is_not_a_report_fails_the_audit(audit, monkeypatch, tmp_path):
    program = tmp_path / "pip-audit"
    program.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(audit, "PROGRAM", program)
    with pytest.raises(audit.AuditError, match="no network"):
        audit.pip_audit(tmp_path / "x.lock")
