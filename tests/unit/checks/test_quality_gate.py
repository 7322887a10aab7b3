"""The quality gate of SonarQube, with a server on this machine that answers in its shapes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from checked_projects import GOOD_FILES, check_dags, write

from check_dags.findings import Level
from check_dags.quality_gate import QualityGate
from check_dags.settings import QualityGateSettings

COMMIT, FORMER = "c" * 40, "f" * 40
TOKEN = "squ_right"

PASSED = {
    "status": "OK",
    "conditions": [
        {
            "status": "OK",
            "metricKey": "new_coverage",
            "comparator": "LT",
            "errorThreshold": "80",
            "actualValue": "91.2",
        }
    ],
    "ignoredConditions": False,
    "period": {"mode": "PREVIOUS_VERSION", "date": "2026-03-01T10:00:00+0000"},
    "caycStatus": "compliant",
}
REFUSED = {
    "status": "ERROR",
    "conditions": [
        {
            "status": "ERROR",
            "metricKey": "new_security_rating",
            "comparator": "GT",
            "errorThreshold": "1",
            "actualValue": "5",
        },
        {
            "status": "OK",
            "metricKey": "new_coverage",
            "comparator": "LT",
            "errorThreshold": "80",
            "actualValue": "91.2",
        },
    ],
    "ignoredConditions": False,
}


@dataclass
class Sonar:
    """The two requests that the check makes. Each project is analysed on one branch."""

    gate: dict[str, Any] = field(default_factory=lambda: PASSED)
    revisions: list[str] = field(default_factory=lambda: [COMMIT, FORMER])
    # Answers before the newest analysis is there.
    late: int = 0
    status: int = 200
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append(url.path)
        if self.status != 200 or self.body is not None:
            return self.status, self.body or b"<html>maintenance</html>"
        if authorization != f"Bearer {TOKEN}":
            # SonarQube answers without a body.
            return 401, b""
        if query.get("project", query.get("projectKey")) != "team_dags":
            return 404, _errors("Project 'other' not found")
        if query.get("branch", "main") != "main":
            return 404, _errors("Branch 'other' in project 'team_dags' not found")
        if url.path == "/api/project_analyses/search":
            revisions = self.revisions[1:] if self.late else self.revisions
            self.late = max(0, self.late - 1)
            analyses = [
                {"key": f"A{n}", "date": "2026-03-01T12:00:00+0000", "events": [], "revision": each}
                for n, each in enumerate(revisions)
            ]
            paging = {"pageIndex": 1, "pageSize": 20, "total": len(analyses)}
            return 200, json.dumps({"paging": paging, "analyses": analyses}).encode()
        assert url.path == "/api/qualitygates/project_status"
        return 200, json.dumps({"projectStatus": self.gate}).encode()


def _errors(text: str) -> bytes:
    return json.dumps({"errors": [{"msg": text}]}).encode()


@contextmanager
def served(sonar: Sonar) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = sonar.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def sonar() -> Sonar:
    return Sonar()


@pytest.fixture
def gate(sonar: Sonar) -> Iterator[QualityGate]:
    with served(sonar) as url:
        settings = QualityGateSettings(project="team_dags", url=url, wait_seconds=5)
        yield QualityGate(settings, TOKEN, COMMIT, pause_seconds=0.01)


def test_gate_of_this_commit_passes(gate):
    result = gate.check()
    assert (result.outcome, result.summary) == ("passed", "the gate is passed")


def test_conditions_that_are_not_met_are_named(gate, sonar):
    sonar.gate = REFUSED
    result = gate.check()
    assert [each.message for each in result.errors] == [
        "new_security_rating is 5, and the gate refuses GT 1"
    ]


def test_gate_without_an_analysis_is_a_failure(gate, sonar):
    sonar.gate = {"status": "NONE", "conditions": [], "ignoredConditions": False}
    assert gate.check().outcome == "failed"


def test_analysis_that_is_not_there_yet_is_awaited(gate, sonar):
    sonar.late = 3
    assert gate.check().outcome == "passed"
    assert sonar.asked.count("/api/project_analyses/search") == 4


def test_analysis_of_another_commit_is_a_failure(gate, sonar):
    sonar.revisions = [FORMER]
    gate = replace(gate, settings=replace(gate.settings, wait_seconds=0))
    assert f"the newest is of {FORMER}" in gate.check().errors[0].message


def test_newer_analysis_of_another_commit_is_a_failure(gate, sonar):
    """The gate then says whether that one passes."""
    sonar.revisions = [FORMER, COMMIT]
    gate = replace(gate, settings=replace(gate.settings, wait_seconds=0))
    assert gate.check().outcome == "failed"


def test_without_a_commit_the_newest_analysis_counts(gate, sonar):
    assert replace(gate, commit="").check().outcome == "passed"
    assert sonar.asked == ["/api/qualitygates/project_status"]


def test_wrong_token_is_a_failure(gate):
    result = replace(gate, token="squ_wrong").check()
    assert "does not accept the token (401)" in result.errors[0].message


def test_missing_token_is_a_failure(gate):
    result = replace(gate, token="").check()
    assert result.errors[0].message == "the variable SONAR_TOKEN is not set"


@pytest.mark.parametrize("change", [{"project": "other"}, {"branch": "other"}])
def test_project_or_branch_that_does_not_exist_is_a_failure(gate, change):
    result = replace(gate, settings=replace(gate.settings, **change)).check()
    assert "(404): " in result.errors[0].message
    assert "not found" in result.errors[0].message


@pytest.mark.parametrize("when_down", ["fail", "warn"])
@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (500, b"{}"), (429, b""), (200, b"<html>"), (200, b"[]")]
)
def test_service_that_is_down_fails_unless_the_settings_say_otherwise(
    gate, sonar, status, body, when_down
):
    sonar.status, sonar.body = status, body
    result = replace(gate, settings=replace(gate.settings, when_down=when_down)).check()
    assert result.outcome == ("failed" if when_down == "fail" else "passed")
    assert result.findings[0].level == (Level.ERROR if when_down == "fail" else Level.WARNING)


def test_wrong_token_fails_also_where_a_service_that_is_down_may_pass(gate):
    settings = replace(gate.settings, when_down="warn")
    assert replace(gate, settings=settings, token="squ_wrong").check().outcome == "failed"


def test_service_that_cannot_be_reached_is_a_failure(gate):
    settings = replace(gate.settings, url="http://127.0.0.1:1")
    assert "does not answer" in replace(gate, settings=settings).check().errors[0].message


def test_address_of_a_file_is_not_read(gate):
    settings = replace(gate.settings, url="file:///etc")
    assert "is not an address" in replace(gate, settings=settings).check().errors[0].message


def test_token_is_in_no_output(tmp_path, sonar):
    sonar.status = 503
    with served(sonar) as url:
        table = f'[quality-gate]\nproject = "team_dags"\nurl = "{url}"\n'
        project = write(tmp_path, {**GOOD_FILES, "check-dags.toml": table})
        skip = ("security", "release", "import", "rules", "tests")
        options = [word for each in skip for word in ("--skip", each)]
        checked = check_dags(project, *options, "--commit", COMMIT, SONAR_TOKEN=TOKEN)
    assert checked.status == 1
    assert "answers with 503" in checked.output
    assert TOKEN not in checked.output
