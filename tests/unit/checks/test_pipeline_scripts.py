"""The scripts that CodeBuild and GitHub Actions run, and the workflow that calls them."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from checked_projects import AIRFLOW_PYTHON, CHECKS_PYTHON, GOOD_FILES, ROOT, write

SCRIPTS = ROOT / "checks" / "pipeline"
WORKFLOW = ROOT / ".github" / "workflows" / "dags.yaml"


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / script],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=600,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
    )


def check(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(
        "check.sh",
        folder,
        AIRFLOW_PYTHON=AIRFLOW_PYTHON,
        CHECKS_PYTHON=CHECKS_PYTHON,
        IMAGE_SOURCE=str(ROOT / "images/airflow/src"),
        **environment,
    )


def stand_in(folder: Path, program: str, script: str) -> str:
    """PATH with a program that does something else."""
    path = folder / "bin" / program
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)
    return f"{path.parent}:{os.environ['PATH']}"


WITHOUT_AIRFLOW = "--skip import --skip release --skip rules"


def test_check_ends_as_the_command_does_and_leaves_the_reports(tmp_path):
    project = write(tmp_path, GOOD_FILES)
    done = check(project, CHECK_OPTIONS=WITHOUT_AIRFLOW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "reports/checks.xml").exists()
    assert json.loads((project / "reports/checks.sarif").read_text())["version"] == "2.1.0"
    write(project, {"tests/test_good.py": "def test_a():\n    assert False\n"})
    assert check(project, CHECK_OPTIONS=WITHOUT_AIRFLOW).returncode == 1


def test_check_in_the_image_gets_no_credentials_and_no_writable_project(tmp_path):
    path = stand_in(tmp_path, "docker", 'printf "%s\\n" "$@" > "$HOME/docker"')
    done = run(
        "check.sh", write(tmp_path, GOOD_FILES), PATH=path, AIRFLOW_IMAGE="registry/image:1",
        AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/secret",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = (tmp_path / "docker").read_text().splitlines()
    assert words[:2] == ["run", "--rm"]
    assert "registry/image:1" in words
    assert f"{tmp_path}:/project:ro" in words
    assert not [word for word in words if word.startswith("AWS_")]
    assert "host" not in words


def test_release_in_the_image_gets_the_credentials_of_the_build(tmp_path):
    path = stand_in(tmp_path, "docker", 'printf "%s\\n" "$@" > "$HOME/docker"')
    assert run("release.sh", tmp_path, PATH=path, AIRFLOW_IMAGE="image:1").returncode == 0
    words = (tmp_path / "docker").read_text().splitlines()
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in words
    assert words[words.index("--network") + 1] == "host"


@contextmanager
def token_service(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['Authorization']}")
            body = b'{"count": 1, "value": "the.identity.token"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token?api-version=2.0", asked
    finally:
        server.shutdown()
        server.server_close()


def github(folder: Path, url: str) -> dict[str, str]:
    return {
        "RUNNER_TEMP": str(folder),
        "GITHUB_ENV": str(folder / "env"),
        "GITHUB_RUN_ID": "7",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request",
        "ACTIONS_ID_TOKEN_REQUEST_URL": url,
        "ROLE_ARN": "arn:aws:iam::123456789012:role/release",
        "AWS_REGION": "eu-central-1",
    }


def test_later_steps_of_a_job_can_assume_the_role(tmp_path):
    with token_service() as (url, asked):
        done = run("github-role.sh", tmp_path, **github(tmp_path, url))
    assert done.returncode == 0, done.stderr
    assert asked == ["/token?api-version=2.0&audience=sts.amazonaws.com bearer request"]
    variables = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert variables["AWS_ROLE_ARN"] == "arn:aws:iam::123456789012:role/release"
    token = Path(variables["AWS_WEB_IDENTITY_TOKEN_FILE"])
    assert token.read_text() == "the.identity.token"
    assert token.parent.stat().st_mode & 0o077 == 0
    assert "the.identity.token" not in done.stdout + done.stderr


def test_job_without_a_token_ends_with_an_error(tmp_path):
    with token_service(403) as (url, _):
        refused = run("github-role.sh", tmp_path, **github(tmp_path, url))
        variables = github(tmp_path, url)
        del variables["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
        missing = run("github-role.sh", tmp_path, **variables)
    assert refused.returncode and missing.returncode
    assert "give the job id-token: write" in missing.stderr
    assert not (tmp_path / "env").exists()


def test_comment_replaces_the_former_one(tmp_path):
    path = stand_in(tmp_path, "gh", 'printf "%s\\n" "$@" > "$HOME/gh"; cat "$7" > "$HOME/body"')
    (tmp_path / "preview.md").write_text("é" * 50_000)
    done = run(
        "comment.sh", tmp_path, PATH=path, PREVIEW="preview.md", PULL_REQUEST="5",
        GITHUB_REPOSITORY="team/dags",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    words = (tmp_path / "gh").read_text().splitlines()
    assert words[:5] == ["pr", "comment", "5", "--repo", "team/dags"]
    assert {"--edit-last", "--create-if-none"} <= set(words)
    assert (tmp_path / "body").stat().st_size <= 65_536


def test_code_scanning_that_is_missing_fails_nothing(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/checks.sarif").write_text("{}")
    variables = {"GITHUB_REPOSITORY": "team/dags", "GITHUB_SHA": "c", "GITHUB_REF": "refs/heads/a"}
    path = stand_in(tmp_path, "gh", "exit 1")
    done = run("code-scanning.sh", tmp_path, PATH=path, **variables)
    assert done.returncode == 0
    assert "::warning::" in done.stdout


# --- the workflow ---


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    return found


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_every_step_is_a_script_that_runs_elsewhere_as_well(jobs):
    for job in jobs.values():
        for command in commands(job):
            if not command.startswith("python3 local/install.py "):
                assert (SCRIPTS / Path(command).name).exists(), command


def test_code_of_the_repository_runs_only_where_no_role_can_be_assumed(jobs):
    running = {name for name, job in jobs.items() if any("check.sh" in c for c in commands(job))}
    assuming = {name for name, job in jobs.items() if "id-token" in job["permissions"]}
    assert running == {"check"}
    assert assuming == {"preview", "publish"}


def test_only_a_checked_push_to_the_live_branch_is_published(jobs):
    assert jobs["publish"]["needs"] == "check"
    condition = jobs["publish"]["if"]
    assert condition == "github.event_name == 'push' && github.ref_name == inputs.branch"
    # The newest of the waiting ones: GitHub cancels the others.
    assert jobs["publish"]["concurrency"] == {"group": "dags-${{ inputs.bucket }}"}


def test_actions_are_pinned_by_their_commits(jobs):
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each)] == []


def test_scripts_get_no_expression_in_their_text(jobs):
    """Names of branches and titles come from the author of a pull request."""
    assert not [c for job in jobs.values() for c in commands(job) if "${{" in c]


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed")
def test_actionlint_finds_nothing():
    done = subprocess.run(["actionlint", str(WORKFLOW)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
