"""What a worker loads before its pool starts, and what it leaves out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_SECONDS

from airflow_on_fargate import configuration
from airflow_on_fargate.worker import preload

SOURCE = Path(__file__).resolve().parents[4] / "images" / "airflow" / "src"


def modules_after(program: str, home: Path) -> set[str]:
    """The modules that a new process has loaded after a program."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "AIRFLOW_HOME": str(home),
        "COMPONENT": "worker",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+sqlite://",
    }
    configuration.apply(environment)
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint('loaded', *sys.modules)"],
        env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("loaded "))
    return set(line.split())


def test_worker_loads_what_tasks_need_and_leaves_out_what_it_does_not(tmp_path: Path) -> None:
    found = modules_after(
        "from airflow_on_fargate import patches\n"
        "patches.apply_for('worker')\n"
        "from airflow.providers.celery.executors.celery_executor import app\n"
        "import celery.bin.celery\n"
        "app.loader.import_default_modules()",
        tmp_path,
    )

    assert set(preload.MODULES) <= found
    assert {"celery.bin.worker", "kombu.transport.SQS"} <= found
    assert {"flower", "prompt_toolkit", "fastapi", "uvicorn"} & found == set()


def test_other_processes_load_nothing_for_tasks(tmp_path: Path) -> None:
    found = modules_after(
        "from airflow.providers.celery.executors.celery_executor import app\napp.conf.broker_url",
        tmp_path,
    )

    assert "airflow_on_fargate.releases.bundle" not in found


def test_worker_starts_when_a_module_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preload, "MODULES", ("no.such.module", "json"))
    monkeypatch.setattr("airflow.sdk.log.load_remote_log_handler", lambda: None)
    said: list[str] = []
    monkeypatch.setattr(preload.log, "warning", lambda *words: said.append(str(words[1])))
    preload.load()
    assert said == ["no.such.module"]


def test_flower_keeps_its_commands(tmp_path: Path) -> None:
    found = modules_after(
        "import celery.bin.celery\nfrom celery.bin.celery import celery\n"
        "assert 'flower' in celery.commands",
        tmp_path,
    )

    assert "flower" in found


class Logs:
    """A log handler whose client cannot be made."""

    @property
    def hook(self) -> None:
        raise RuntimeError("no credentials")


def test_worker_starts_when_the_client_of_the_log_bucket_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preload, "MODULES", ())
    monkeypatch.setattr("airflow.sdk.log.load_remote_log_handler", Logs)
    said: list[str] = []
    monkeypatch.setattr(preload.log, "warning", lambda *words: said.append(str(words[2])))
    preload.load()
    assert said == ["no credentials"]
