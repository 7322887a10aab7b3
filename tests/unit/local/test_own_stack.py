"""Two stacks on one machine: every command means the stack of its own state folder."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from commands import emulator
from commands.__main__ import main
from commands.down import down
from commands.env import env
from commands.local_invoke.local_env import local_env
from commands.stacks import own_stack, ports
from commands.status import status
from commands.up import what_next
from commands.workspace import PORTS, ROOT, CommandError, Workspace

# Takes the place of the embedded AWS: it is started with the same arguments and settings.
SERVER = """
import http.server, json, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

settings = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
http.server.ThreadingHTTPServer(("127.0.0.1", settings["endpoint_port"]), Answer).serve_forever()
"""
Start = Callable[[str], Workspace]


def new_workspace(folder: Path) -> Workspace:
    """A folder with ports that are free, and that no other pytest process looks for."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(4)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return Workspace(folder, *(probe.getsockname()[1] for probe in probes))


@pytest.fixture(autouse=True)
def no_ports_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOCAL_STATE_DIR", *(variable for _, variable, _ in PORTS)):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts an embedded AWS in a folder of this name."""
    program = tmp_path / "emulator"
    program.write_text(f"#!{sys.executable}\n{SERVER}")
    program.chmod(0o755)
    monkeypatch.setattr(emulator, "venv_python", lambda name: program)
    started = []

    def begin(name: str) -> Workspace:
        workspace = new_workspace(tmp_path / name)
        started.append(workspace)
        emulator.start(workspace)
        return workspace

    yield begin
    for workspace in started:
        emulator.end(workspace)


def test_ports_are_those_of_the_running_stack_when_none_are_given(start):
    mine = start("mine")
    asked = mine.with_ports({variable: default for _, variable, default in PORTS})
    assert not emulator.is_running(asked)

    assert own_stack.with_running_ports(asked) == mine
    assert emulator.is_running(own_stack.with_running_ports(asked))

    emulator.end(mine)
    assert own_stack.with_running_ports(asked) == asked


def test_ports_are_the_given_ones_when_the_settings_cannot_be_read(start):
    mine = start("mine")
    mine.emulator_config.write_text('{"endpoint_port"')
    assert own_stack.with_running_ports(mine) == mine
    assert not emulator.is_running(mine)
    assert "does not answer" in own_stack.absence(mine)


def test_port_that_the_stack_does_not_use_is_refused(start, monkeypatch):
    mine, other = start("mine"), start("other")
    monkeypatch.setenv("LOCAL_AWS_PORT", str(other.aws_port))
    monkeypatch.setenv("LOCAL_UI_PORT", str(mine.ui_port))
    asked = mine.with_ports({"LOCAL_AWS_PORT": other.aws_port})

    with pytest.raises(CommandError) as refusal:
        own_stack.with_running_ports(asked)

    assert str(refusal.value).splitlines() == [
        f"The stack in {mine.state_dir} uses port {mine.aws_port} (LOCAL_AWS_PORT), not "
        f"{other.aws_port}: leave the variable out to use this stack. "
        f"`make down LOCAL_STATE_DIR={mine.state_dir}` ends it.",
        f"The stack in {other.state_dir} uses port {other.aws_port} (LOCAL_AWS_PORT); "
        f"`make down LOCAL_STATE_DIR={other.state_dir}` ends that stack.",
    ]


@pytest.mark.parametrize("command", [env, local_env])
def test_command_names_the_folder_of_the_stack_that_uses_the_port(start, tmp_path, command):
    other = start("other")
    with pytest.raises(CommandError) as refusal:
        command(other.in_folder(tmp_path / "mine"))
    nothing, used = str(refusal.value).splitlines()
    assert nothing.startswith(f"Nothing is running in {tmp_path}/mine: run `make up LOCAL_AWS_PORT")
    assert used.startswith(
        f"The stack in {other.state_dir} uses port {other.aws_port} (LOCAL_AWS_PORT)"
    )


def test_status_shows_no_stack_of_another_folder(start, tmp_path, capsys):
    other = start("other")
    status(other.in_folder(tmp_path / "mine"))
    printed = capsys.readouterr().out
    assert "Embedded AWS" not in printed
    assert f"The stack in {other.state_dir} uses port {other.aws_port}" in printed


def test_status_shows_no_other_stack_when_its_own_uses_other_ports(start, capsys, monkeypatch):
    mine, other = start("mine"), start("other")
    monkeypatch.setattr("commands.deployment.all_stacks", lambda workspace: [])
    status(own_stack.with_running_ports(mine.with_ports(other.ports)))
    first = capsys.readouterr().out.splitlines()[0]
    assert mine.endpoint in first
    assert f"(1 processes, {mine.state_dir})" in first


def test_down_names_the_stack_of_another_folder_and_does_not_end_it(start, tmp_path, capsys):
    other = start("other")
    down(other.in_folder(tmp_path / "mine"))
    printed = capsys.readouterr().out
    assert "Nothing was running." in printed
    assert f"The stack in {other.state_dir} uses port {other.aws_port}" in printed
    assert emulator.is_running(other)


def test_down_ends_its_own_stack_only_when_its_ports_are_not_given(start, monkeypatch, capsys):
    mine, other = start("mine"), start("other")
    monkeypatch.setenv("LOCAL_STATE_DIR", str(mine.state_dir))
    main(["down"])
    assert "Ended 1 processes" in capsys.readouterr().out
    assert not emulator.is_running(mine)
    assert emulator.is_running(other)


def test_down_does_not_end_postgres_of_a_folder_with_a_longer_name(tmp_path):
    program = tmp_path / "postgres"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    program.chmod(0o755)
    folder = tmp_path / "state-2"
    folder.mkdir()
    other = subprocess.Popen([program], cwd=folder, env={"PATH": os.defpath})
    try:
        workspace = new_workspace(tmp_path / "state")
        assert [p.pid for p in emulator.processes(workspace.in_folder(folder))] == [other.pid]
        assert emulator.end(workspace) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_refusal_of_a_taken_port_offers_a_free_one_and_names_the_stack_that_uses_it(start):
    other = start("other")
    mine = other.in_folder(ROOT / ".local")
    with pytest.raises(CommandError) as refusal:
        ports.check(mine)
    refused, used = str(refusal.value).splitlines()
    assert f"port {other.aws_port} (LOCAL_AWS_PORT)" in refused
    offered = refused.partition("another port: make up ")[2].split()
    # The ports that are free stay as they were given.
    assert offered == [
        f"{variable}={port}" for variable, port in ports.with_free_ports(mine).ports.items()
    ]
    assert f"LOCAL_UI_PORT={mine.ui_port}" in offered
    assert f"LOCAL_AWS_PORT={mine.aws_port}" not in offered
    assert str(other.state_dir) in used


OUTPUTS = {
    "AirflowUrl": "http://localhost:8091",
    "AdminUsername": "admin",
    "AdminPasswordSecretArn": "arn",
    "DagBucketName": "dags",
}


def test_hints_need_no_ports_and_name_a_state_folder_that_is_not_the_default():
    own = Workspace((ROOT / ".local").resolve(), 4591, 8091, 8443, 5491)
    hints = what_next(own, OUTPUTS)
    assert 'eval "$(make -s env)"; echo' in hints
    assert "make status\n" in hints
    assert "make down\n" in hints
    assert own.make("up") == (
        "make up LOCAL_AWS_PORT=4591 LOCAL_UI_PORT=8091 LOCAL_DATABASE_PORT=5491"
    )

    elsewhere = replace(own, state_dir=Path("/tmp/my stack"))
    hints = what_next(elsewhere, OUTPUTS)
    assert "eval \"$(make -s env LOCAL_STATE_DIR='/tmp/my stack')\"; echo" in hints
    assert "make status LOCAL_STATE_DIR='/tmp/my stack'\n" in hints
    assert "make down LOCAL_STATE_DIR='/tmp/my stack'\n" in hints
