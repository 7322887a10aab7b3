"""Every component starts in the built image, at the size that the class micro gives it.

`make up RUNTIME=podman` deploys the real templates and runs the smoke DAGs; meanwhile this test
watches when each container becomes healthy. It prints the size of the image and the start times.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from podman import needs_podman

from commands import deployment, emulator
from commands.container_image.engines import PODMAN
from commands.stacks import ports
from commands.workspace import ROOT, Workspace

pytestmark = needs_podman

COMPONENTS = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
UP_SECONDS = 1800
_TABLE = ROOT / "build" / "image-start-times.json"


@dataclass
class Watch:
    """Looks at the tasks of a stack twice a second and notes when a container became healthy."""

    workspace: Workspace
    healthy: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        ecs = self.workspace.client("ecs")
        while not self._ended.wait(0.5):
            with suppress(BotoCoreError, ClientError):
                for cluster in ecs.list_clusters()["clusterArns"]:
                    self._look(ecs, cluster)

    def end(self) -> None:
        self._ended.set()

    def _look(self, ecs: Any, cluster: str) -> None:
        arns = [
            arn
            for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        ]
        if not arns:
            return
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]:
            for container in task["containers"]:
                self._note(task, container)

    def _note(self, task: dict[str, Any], container: dict[str, Any]) -> None:
        name = container["name"]
        self.sizes.setdefault(name, f"{task['cpu']}/{task['memory']}")
        if container.get("healthStatus") == "HEALTHY" and name not in self.healthy:
            self.healthy[name] = (datetime.now(UTC) - task["createdAt"]).total_seconds()
        if task["lastStatus"] == "STOPPED" and name not in COMPONENTS:
            self.commands[task["taskArn"]] = {
                "seconds": (task["stoppedAt"] - task["createdAt"]).total_seconds(),
                "exitCode": container.get("exitCode"),
                "reason": container.get("reason", ""),
            }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watch, str]]:
    defaults = Workspace.from_environment().in_folder(tmp_path_factory.mktemp("podman"))
    workspace = ports.with_free_ports(defaults)
    watch = Watch(workspace)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    environment = {
        **os.environ,
        **{name: str(port) for name, port in workspace.ports.items()},
        "LOCAL_STATE_DIR": str(workspace.state_dir),
        "RUNTIME": "podman",
    }
    try:
        done = subprocess.run(
            ["make", "-s", "up"], cwd=ROOT, env=environment, timeout=UP_SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        print(done.stdout)
        watch.end()
        assert done.returncode == 0, done.stdout
        yield watch, done.stdout
    finally:
        watch.end()
        emulator.end(workspace)
    assert left(workspace.state_dir) == []


def left(state_dir: Path) -> list[str]:
    mark = f"label=EMBEDDED_AWS_STATE_DIR={state_dir}"
    done = subprocess.run(
        ["podman", "ps", "--all", "--quiet", "--filter", mark], capture_output=True, text=True
    )
    return done.stdout.split()


@pytest.mark.timeout(UP_SECONDS + 120)
def test_every_component_becomes_healthy_at_its_size(
    watched: tuple[Watch, str], capsys: pytest.CaptureFixture[str]
) -> None:
    watch, _ = watched
    image = deployment.outputs(watch.workspace)["AirflowImageUri"].partition("/")[2]
    size = PODMAN.size(f"127.0.0.1:{watch.workspace.aws_port}/{image}")
    with capsys.disabled():
        print(f"\nimage {image}: {size / 2**20:.0f} MiB")
        for name, seconds in sorted(watch.healthy.items()):
            print(f"  {name:<14} {watch.sizes[name]:>10}  healthy after {seconds:5.1f} s")
        for one in watch.commands.values():
            print(f"  {'command':<14} {'':>10}  ended after   {one['seconds']:5.1f} s")
    _TABLE.parent.mkdir(exist_ok=True)
    table = {"imageBytes": size, "healthyAfterSeconds": watch.healthy, "sizes": watch.sizes}
    _TABLE.write_text(json.dumps(table, indent=2))
    assert set(watch.healthy) == COMPONENTS


def test_no_command_ends_for_lack_of_memory(watched: tuple[Watch, str]) -> None:
    watch, _ = watched
    assert watch.commands
    assert {one["exitCode"] for one in watch.commands.values()} == {0}
    assert {one["reason"] for one in watch.commands.values()} == {""}
