"""make up, down, status and env: refusals, output, and the end of all processes."""

import collections
import os
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from commands import deployment, emulator
from commands.airflow_api import AirflowApi
from commands.env import variable_name
from commands.stacks import ports
from commands.stacks.ports import MARKER
from commands.status import task_lines
from commands.steps import wait_until
from commands.workspace import CommandError, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, aws_port=4566, ui_port=8080, https_port=8443, database_port=5433)


@pytest.mark.parametrize("text", ["http", "80", "70000", "-1"])
def test_invalid_port_is_refused(monkeypatch, text):
    monkeypatch.setenv("LOCAL_UI_PORT", text)
    with pytest.raises(CommandError, match="LOCAL_UI_PORT"):
        Workspace.from_environment()


def test_names_port_and_variable_when_a_port_is_taken(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        workspace = Workspace(
            tmp_path, aws_port=taken, ui_port=taken, https_port=taken, database_port=taken
        )
        with pytest.raises(CommandError, match=rf"port {taken} \(LOCAL_UI_PORT\)"):
            ports.check(workspace)


def test_refuses_to_start_when_the_disk_is_full(workspace, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 2**20))
    with pytest.raises(CommandError, match="free some space"):
        emulator.start(workspace)


def test_end_leaves_no_process_when_a_child_ignores_sigterm(workspace, monkeypatch):
    monkeypatch.setattr(emulator, "TERM_SECONDS", 1)
    stubborn = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", stubborn],
        env={MARKER: str(workspace.state_dir)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert [p.pid for p in emulator.processes(workspace)] == [child.pid]

    assert emulator.end(workspace) == 1

    assert emulator.processes(workspace) == []
    assert child.poll() is not None


def test_end_does_not_touch_processes_of_another_workspace(workspace, tmp_path):
    other = subprocess.Popen(["sleep", "600"], env={**os.environ, MARKER: str(tmp_path / "other")})
    try:
        assert emulator.end(workspace) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_timeout_names_what_was_awaited():
    with pytest.raises(TimeoutError, match="waiting for a miracle"):
        wait_until(lambda: False, 0.01, "a miracle", interval=0.001)


@pytest.mark.parametrize(
    ("output", "variable"),
    [
        ("AirflowUrl", "AIRFLOW_URL"),
        ("DagBucketName", "DAG_BUCKET_NAME"),
        ("AdminPasswordSecretArn", "ADMIN_PASSWORD_SECRET_ARN"),
    ],
)
def test_exported_output_is_named_in_capitals(output, variable):
    assert variable_name(output) == variable


@pytest.mark.parametrize(
    ("url", "trusted"), [("https://localhost:8443", True), ("http://localhost:8080", False)]
)
def test_local_authority_is_trusted_for_https_only(workspace, url, trusted):
    assert workspace.ca_file_for(url) == (workspace.ca_file if trusted else None)


def test_session_trusts_the_authority_of_the_workspace(workspace, monkeypatch):
    used: list[object] = []

    def send(session: requests.Session, request: object, **settings: object) -> requests.Response:
        used.append(settings["verify"])
        answer = requests.Response()
        answer.status_code = 201
        answer._content = b'{"access_token": "t"}'
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    # Set on machines behind a proxy that inspects TLS; it must not replace the authority.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/company.pem")
    AirflowApi("https://localhost:8443", "admin", "password", workspace.ca_file)
    AirflowApi("http://localhost:8080", "admin", "password")
    assert used == [str(workspace.ca_file), "/etc/company.pem"]


def test_status_lists_the_containers_of_a_task_with_their_health():
    def task(definition: str, **containers: str) -> dict[str, object]:
        return {
            "taskDefinitionArn": f"arn:aws:ecs:us-east-1:1:task-definition/{definition}",
            "lastStatus": "RUNNING",
            "healthStatus": "HEALTHY",
            "containers": [
                {"name": name, "lastStatus": "RUNNING", "healthStatus": health}
                for name, health in containers.items()
            ],
        }

    lines = task_lines(
        [
            task("s-worker:3", worker="UNKNOWN"),
            task("s-control-plane:1", triggerer="HEALTHY", scheduler="UNHEALTHY"),
        ]
    )

    assert [line.split() for line in lines] == [
        ["s-control-plane:1", "RUNNING", "HEALTHY"],
        ["scheduler", "RUNNING", "UNHEALTHY"],
        ["triggerer", "RUNNING", "HEALTHY"],
        ["s-worker:3", "RUNNING", "HEALTHY"],
        ["worker", "RUNNING"],
    ]


def test_reasons_of_a_failed_deployment_leave_out_earlier_and_cancelled_ones():
    begun = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)

    def event(seconds: float, status: str, reason: str) -> dict[str, object]:
        return {
            "Timestamp": begun + timedelta(seconds=seconds),
            "LogicalResourceId": "SchedulerService",
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
        }

    events = [
        event(20, "UPDATE_FAILED", "second"),
        event(10, "UPDATE_IN_PROGRESS", "no failure"),
        event(20, "UPDATE_FAILED", "Resource update cancelled"),
        event(20, "CREATE_FAILED", "Resource creation cancelled"),
        # Stamped with the second in which the deployment began.
        event(-0.6, "UPDATE_FAILED", "first"),
        *(event(-60 - number, "UPDATE_FAILED", f"earlier {number}") for number in range(20)),
    ]
    client = SimpleNamespace(
        list_stacks=lambda: {"StackSummaries": [{"StackId": "one"}]},
        describe_stack_events=lambda StackName: {"StackEvents": events},
    )
    found = deployment.failure_reasons(SimpleNamespace(client=lambda service: client), begun)
    assert found == ["SchedulerService: first", "SchedulerService: second"]
