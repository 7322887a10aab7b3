"""The launcher: its settings, and the end of everything it started."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import PATIENCE_SECONDS

from .conftest import EMULATOR_PYTHON, REPOSITORY, eventually, running_embedded_aws
from .ecs_tasks import Ecs

# Leaves its session and its parent, as a daemon does.
ESCAPING = "setsid sh -c 'sleep 1000' & trap '' TERM; sleep 1000 & wait; sleep 1000"


def processes_of(state_dir: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("EMBEDDED_AWS_STATE_DIR") == str(state_dir):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_end_of_the_launcher_leaves_no_process(tmp_path: Path, number: int) -> None:
    with running_embedded_aws(tmp_path, shutdown_timeout_seconds=2) as running:
        ecs = Ecs(running)
        task = ecs.run(ecs.register(ESCAPING))
        ecs.create_service("web", ecs.register("exec sleep 1000"), count=2)
        ecs.reached(task, "RUNNING")
        eventually(lambda: ecs.running("web", 2))
        # sh, two sleeps, the escaped shell and its sleep, two tasks of the service.
        eventually(lambda: len(processes_of(tmp_path)) >= 6)

        os.kill(running.process.pid, number)
        running.process.wait(30)

    eventually(lambda: not processes_of(tmp_path))


def test_end_of_a_main_process_kills_its_children(tmp_path: Path) -> None:
    with running_embedded_aws(tmp_path) as running:
        ecs = Ecs(running)
        ecs.finished(ecs.register("setsid sleep 1000 & sleep 0.5"))

        eventually(lambda: not processes_of(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint_port": "4566"}, "endpoint_port must be a port number"),
        ({"state_dir": "relative"}, "state_dir must be an absolute path"),
        ({"surprise": 1}, "unknown settings surprise"),
        ({"enforce_iam": "no"}, "enforce_iam must be true or false"),
        ({"images": {"a": {"entrypoint": "sh"}}}, "images['a'].entrypoint must be a list"),
        ({"postgres_bin": None}, "postgres_bin must be an absolute path"),
    ],
)
def test_launcher_names_the_wrong_setting(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    config = {
        "endpoint_port": 4566,
        "ui_port": 8080,
        "https_port": 8443,
        "database_port": 5433,
        "state_dir": str(tmp_path),
        "images": {},
        "postgres_bin": "/nowhere",
        "lambda_python": "/nowhere",
        **change,
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    ended = subprocess.run(
        [str(EMULATOR_PYTHON), "-m", "embedded_aws.launcher", "--config", str(file)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "local")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert ended.returncode == 2
    assert message in ended.stderr
