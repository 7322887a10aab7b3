"""One stack for a game day, with short minutes of CloudWatch and Airflow's metrics on."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from transcript import Transcript

from commands import airflow_image, deployment, emulator, smoke
from commands.workspace import ROOT, Workspace
from tests.gameday.stack import GameDayStack
from tests.upgrade.conftest import workspace_in

MINUTE = 3.0
WORKER = {"default": {"size": "1024/4096/8", "maxCount": 1}}


def send_metrics_every_minute(workspace: Workspace) -> None:
    """The containers' minute is CloudWatch's."""
    for entry in (workspace.state_dir / "registry").glob("*.json"):
        images = json.loads(entry.read_text())
        for image in images.values():
            image["env"]["METRICS_SECONDS"] = str(MINUTE)
        entry.write_text(json.dumps(images))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GameDayStack]:
    workspace = workspace_in(tmp_path_factory.mktemp("game-day"))
    emulator.start(workspace, cloudwatch_minute_seconds=MINUTE)
    try:
        airflow_image.push(workspace)
        send_metrics_every_minute(workspace)
        deployment.build(workspace)
        transcript: Any = Transcript()
        parameters = {
            "AirflowImageUri": airflow_image.uri(),
            "Options": "metrics",
            "WorkerFleets": f"'{json.dumps(WORKER)}'",
        }
        deployment.deploy(workspace, transcript, parameters, ROOT)
        stack = GameDayStack(workspace, minute=MINUTE)
        smoke.wait_healthy(stack.outputs)
        smoke.create_sample_secrets(workspace, stack.outputs)
        smoke.upload_dags(workspace, stack.outputs)
        smoke.wait_for_dags(workspace, stack.outputs, stack.api())
        yield stack
    finally:
        emulator.end(workspace)
