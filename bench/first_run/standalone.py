"""`airflow standalone` of the environment of the image, from an empty home to the first success.

It gets the same DAG files and settings of its own only where it would share a port or a folder
with something else on the machine. Its example DAGs are left out, because it would parse a hundred
files before the one that is awaited.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.first_run.ports import free_ports
from commands import smoke
from commands.airflow_api import AirflowApi, health
from commands.steps import wait_until
from commands.workspace import ROOT, venv_python

_PATIENCE_SECONDS: Final = 600
_STOP_SECONDS: Final = 60


def measure(folder: Path) -> float:
    """Seconds from the start of the command until the success is seen."""
    began = time.monotonic()
    with _running(folder) as url:
        _see_first_success(folder, url)
        return time.monotonic() - began


@contextmanager
def _running(folder: Path) -> Iterator[str]:
    ports = free_ports(4)
    url = f"http://localhost:{ports[0]}"
    shutil.copytree(ROOT / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    programs = venv_python("airflow").parent
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "AWS_"))},
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__PORT": str(ports[0]),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports[1]),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports[2]),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(ports[3]),
    }
    with (folder / "standalone.log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "airflow", "standalone"], env=environment, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield url
    except TimeoutError as error:
        lines = (folder / "standalone.log").read_text(errors="replace").splitlines()[-20:]
        raise RuntimeError("\n".join([str(error), *lines])) from None
    finally:
        _end(process)


def _see_first_success(folder: Path, url: str) -> None:
    wait_until(lambda: health(url), _PATIENCE_SECONDS, "airflow standalone")
    password = json.loads((folder / "simple_auth_manager_passwords.json.generated").read_text())
    api = AirflowApi(url, "admin", password["admin"])
    wait_until(lambda: smoke.FIRST_DAG in api.dags(), _PATIENCE_SECONDS, smoke.FIRST_DAG)
    run = api.trigger(smoke.FIRST_DAG)

    def ended() -> bool:
        state = api.run(smoke.FIRST_DAG, run)["state"]
        if state == "failed":
            raise RuntimeError(f"{smoke.FIRST_DAG} failed under airflow standalone")
        return bool(state == "success")

    wait_until(ended, _PATIENCE_SECONDS, "the end of the run")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and its components, which are in its process group."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
