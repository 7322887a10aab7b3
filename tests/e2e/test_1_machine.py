"""Before anything runs: what `make up` refuses, and that an interruption leaves no process
behind."""

import socket

from commands import emulator
from tests.e2e.conftest import Machine


def test_up_names_the_port_when_it_is_in_use(machine: Machine):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", machine.workspace.ui_port))
        holder.listen()
        done = machine.make("up")
    assert done.returncode != 0
    assert f"port {machine.workspace.ui_port} (LOCAL_UI_PORT)" in done.stdout
    assert emulator.processes(machine.workspace) == []


def test_up_leaves_nothing_running_when_it_is_interrupted(machine: Machine):
    code, transcript = machine.interrupt_up(when="DatabaseStack")
    assert code != 0
    assert "nothing is left running" in transcript
    assert emulator.processes(machine.workspace) == []
