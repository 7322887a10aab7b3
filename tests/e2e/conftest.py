"""One deployment for the whole suite: `make up` in a separate state folder and on separate ports.

The tests share it, in the order of the files: a test sees the changes of the tests before it, as on
a stack in use.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands import deployment, emulator, smoke
from commands.airflow_api import AirflowApi
from commands.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Machine:
    """The machine from a user's perspective: make, and a workspace that nothing else uses."""

    workspace: Workspace

    def environment(self) -> dict[str, str]:
        """This environment, with the workspace's folder and ports."""
        return {
            **os.environ,
            "LOCAL_STATE_DIR": str(self.workspace.state_dir),
            "LOCAL_AWS_PORT": str(self.workspace.aws_port),
            "LOCAL_UI_PORT": str(self.workspace.ui_port),
            "LOCAL_HTTPS_PORT": str(self.workspace.https_port),
            "LOCAL_DATABASE_PORT": str(self.workspace.database_port),
        }

    def make(self, target: str, timeout: float = 3600) -> subprocess.CompletedProcess[str]:
        """Run `make TARGET` to its end, with output and errors in one text."""
        return subprocess.run(
            ["make", "-s", target], cwd=ROOT, env=self.environment(), timeout=timeout,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def interrupt_up(self, when: str) -> tuple[int, str]:
        """Run `make up` and press Ctrl-C when a line with this text appears."""
        process = subprocess.Popen(
            ["make", "-s", "up"], cwd=ROOT, env=self.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if when in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        lines += process.stdout.readlines()
        return process.wait(), "".join(lines)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which nothing runs, before and after."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(4)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in probes]
    # A short path that other users may enter: PostgreSQL runs as another user if we are root.
    state_dir = tmp_path_factory.mktemp("machine")
    machine = Machine(Workspace(state_dir, *ports))
    yield machine
    emulator.end(machine.workspace)


@dataclass(frozen=True)
class Deployed:
    """A machine after `make up`."""

    machine: Machine
    transcript: str

    @property
    def workspace(self) -> Workspace:
        """Ports and folders."""
        return self.machine.workspace

    @property
    def outputs(self) -> dict[str, str]:
        """The root stack's outputs."""
        return deployment.outputs(self.workspace)

    def api(self) -> AirflowApi:
        """Airflow's API, signed in as the admin user."""
        return smoke.sign_in(self.workspace, self.outputs)

    def service_tasks(self) -> set[str]:
        """The running tasks of Airflow's services; they only change when a service is deployed."""
        ecs = self.workspace.client("ecs")
        cluster = self.outputs["ClusterName"]
        arns = ecs.list_tasks(cluster=cluster)["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return {task["taskArn"] for task in tasks if task["group"].startswith("service:")}


@pytest.fixture(scope="session")
def deployed(machine: Machine) -> Deployed:
    """`make up`, once for the suite."""
    done = machine.make("up")
    assert done.returncode == 0, done.stdout
    return Deployed(machine, done.stdout)
