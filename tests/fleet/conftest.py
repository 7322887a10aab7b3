"""The environments of the suite: an empty embedded AWS, and one with the whole stack.

If LOCAL_STATE_DIR is set, the stack is deployed there, on the ports that LOCAL_..._PORT name. A
stack that already runs there is used as it is and keeps running.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from commands import airflow_image, deployment, emulator, smoke
from commands.workspace import Workspace
from tests.fleet.stack import Stack


def new_workspace(folder: Path) -> Workspace:
    with ExitStack() as sockets:
        probes = [sockets.enter_context(socket.socket()) for _ in range(4)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return Workspace(folder, *(probe.getsockname()[1] for probe in probes))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """An embedded AWS without a stack, but with the image."""
    workspace = new_workspace(tmp_path_factory.mktemp("fleet"))
    emulator.start(workspace)
    airflow_image.push(workspace)
    yield workspace
    emulator.end(workspace)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, with the probe's DAG known to Airflow."""
    if "LOCAL_STATE_DIR" in os.environ:
        workspace = Workspace.from_environment()
    else:
        workspace = new_workspace(tmp_path_factory.mktemp("stack"))
    stack = Stack(workspace)
    found = emulator.is_running(workspace) and deployment.stack_status(workspace)
    try:
        if not found:
            emulator.start(workspace)
            begun = time.monotonic()
            deployment.build(workspace)
            stack.deploy()
            smoke.wait_healthy(stack.outputs)
            print(f"deployed in {time.monotonic() - begun:.0f} s")
        stack.upload_dag()
        yield stack
    finally:
        if not found:
            emulator.end(workspace)
