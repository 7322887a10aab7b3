"""SARIF 2.1.0, as GitHub's code scanning reads it."""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from check_dags.findings import Finding, Report

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(report: Report) -> str:
    """One run; a result for each finding."""
    findings = [finding for result in report.results for finding in result.findings]
    rules = sorted({finding.rule for finding in findings})
    run = {
        "tool": {"driver": {"name": "check-dags", "rules": [_rule(rule) for rule in rules]}},
        "results": [_result(finding, rules.index(finding.rule)) for finding in findings],
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: str) -> dict[str, Any]:
    return {"id": rule, "shortDescription": {"text": rule.replace("-", " ")}}


def _result(finding: Finding, number: int) -> dict[str, Any]:
    # The line's text and not its number, so that a finding stays the same when lines move.
    mark = f"{finding.rule} {finding.path} {finding.text or finding.message}"
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": number,
        "level": str(finding.level),
        "message": {"text": finding.message},
        "partialFingerprints": {"checkDags/v1": hashlib.sha256(mark.encode()).hexdigest()[:32]},
    }
    if finding.path:
        region = {"startLine": finding.line or 1}
        uri = {"uri": quote(finding.path), "uriBaseId": "%SRCROOT%"}
        result["locations"] = [{"physicalLocation": {"artifactLocation": uri, "region": region}}]
    return result
