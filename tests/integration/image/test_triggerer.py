"""The triggerer as a container runs it, with the secrets of its container, on a real PostgreSQL."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from airflow_on_fargate import configuration

SOURCE = Path(configuration.__file__).parents[1]
PROGRAM = Path(__file__).with_name("triggerer_runs.py")
# A trigger of the image, whose code asks for a variable: over the in-process execution API.
ASKS = """
from airflow.sdk import Variable
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

class Asks(BaseTrigger):
    def serialize(self):
        return "image_triggers.Asks", {}

    async def run(self):
        yield TriggerEvent(await sync_to_async(Variable.get)("known"))
"""


class Triggerer:
    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
        self.log = folder / "triggerer.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # Without the log server, whose port may be in use.
        command = ["-m", "airflow_on_fargate.entrypoint", "triggerer", "--skip-serve-logs"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                env=self._environment, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def end(self) -> None:
        if self.process:
            # An attack may have ended it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def ask(self, *words: str) -> dict[str, list[str]]:
        done = subprocess.run(
            [sys.executable, PROGRAM, *words],
            env=self._environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
        return found

    def outcomes(self, seconds: float) -> dict[str, list[str]]:
        """The tasks, as soon as none is deferred."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.ask("states")
            if all(state != "deferred" for state, *_ in found.values()):
                return found
            assert self.process
            assert self.process.poll() is None, self.log.read_text()[-5000:]
            assert time.monotonic() < deadline, (found, self.log.read_text()[-5000:])
            time.sleep(2)


@pytest.fixture
def triggerer(postgres: Any, tmp_path: Path) -> Iterator[Triggerer]:
    postgres.execute(
        "CREATE ROLE triggerer LOGIN PASSWORD 'first';\n"
        "CREATE DATABASE triggerer OWNER triggerer;\n"
    )
    url = f"postgresql+psycopg2://triggerer:first@127.0.0.1:{postgres.port}/triggerer"
    (tmp_path / "image_triggers.py").write_text(ASKS)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(SOURCE), str(tmp_path))),
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "COMPONENT": "triggerer",
        "AIRFLOW__SECRETS__BACKEND": "",
        # All the secrets that the template gives it: it signs and checks no tokens.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__API__SECRET_KEY": "s" * 64,
    }
    configuration.apply(environment)
    migrate = [sys.executable, "-m", "airflow_on_fargate.entrypoint", "db", "migrate"]
    done = subprocess.run(migrate, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    triggerer = Triggerer(environment, tmp_path)
    yield triggerer
    triggerer.end()
    postgres.execute("DROP DATABASE triggerer WITH (FORCE);\nDROP ROLE triggerer;\n")


def test_task_cannot_run_a_function_in_the_triggerer(triggerer: Triggerer, tmp_path: Path) -> None:
    def write(name: str) -> list[str]:
        return ["sh", "-c", f"env > {tmp_path / name}.ran"]

    callback = "airflow.triggers.callback.CallbackTrigger"
    system = {"callback_path": "os.system", "callback_kwargs": {"command": write("callback")[2]}}
    attacks: dict[str, tuple[str, dict[str, Any]]] = {
        "function": ("subprocess.check_output", {"args": write("function")}),
        "class": ("subprocess.Popen", {"args": write("class")}),
        "method": ("subprocess.Popen.__init__", {"self": {}, "args": write("method")}),
        "base": ("airflow.triggers.base.TriggerEvent", {"payload": 1}),
        "callback": (callback, system),
        "absent": ("not_a_module.Trigger", {}),
    }
    words = [
        word
        for name, (classpath, kwargs) in attacks.items()
        for word in (name, classpath, json.dumps(kwargs))
    ]
    triggerer.ask("make", *words, "good", "image_triggers.Asks", "{}")

    triggerer.start()
    found = triggerer.outcomes(400)

    assert sorted(path.stem for path in tmp_path.glob("*.ran")) == []
    # The triggerer lives on, and a trigger that asks the execution API works without a key.
    state, method, kwargs = found.pop("good")
    assert (state, method) == ("scheduled", "execute")
    assert "a value of the database" in kwargs
    # Each task resumes to fail, and its log says why.
    assert {each[1] for each in found.values()} == {"__fail__"}
    for name in ("function", "class", "base"):
        assert "is not a subclass of airflow.triggers.base.BaseTrigger" in found[name][2]
        assert attacks[name][0] in found[name][2]
    assert "callbacks of deadlines only" in found["callback"][2]
