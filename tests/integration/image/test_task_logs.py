"""What the API shows of task logs, with the real executor, API server, and S3 client.

Sizes and requests are asserted, never times.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from log_bucket import LogBucket, log_bucket

from airflow_on_fargate import configuration

SOURCE = Path(configuration.__file__).parents[1]
SCRIPT = Path(__file__).with_name("task_logs.py")
RUN = "logs/dag_id=logs/run_id=run"
REASON = (
    "The queue 'gpu' does not exist in this stack, so the task could not be queued. The queues are "
    "default, reports. Add it to the parameter WorkerQueueNames, or change the task's queue."
)
NDJSON = "application/x-ndjson"
MIB = 1024 * 1024
# A server on a machine with much other work has taken six minutes to start.
START_SECONDS = 900
# A real log of 100 MB has lines of this length.
LINE = '{{"timestamp":"2026-01-01T00:{:02d}:{:02d}Z","level":"info","event":"line {:08d} {}"}}\n'


with socket.socket() as _probe:
    _probe.bind(("127.0.0.1", 0))
    PORT_OF_LOGS = str(_probe.getsockname()[1])


@dataclass
class Stack:
    """An API server on a database with one run."""

    home: Path
    url: str
    token: str
    bucket: LogBucket
    process: subprocess.Popen[bytes]
    outcome: dict[str, Any]

    def read(self, task: str, accept: str = "application/json", query: str = "") -> bytes:
        path = f"/api/v2/dags/logs/dagRuns/run/taskInstances/{task}/logs/1?{query}"
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.token}", "Accept": accept}
        )
        with urllib.request.urlopen(request, timeout=900) as answer:
            body: bytes = answer.read()
        return body

    def events(self, task: str) -> list[str]:
        return [line["event"] for line in json.loads(self.read(task))["content"]]

    def memory(self, name: str) -> int:
        """Bytes of the process's memory: VmRSS is now, VmHWM the most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [each for each in status.splitlines() if each.startswith(name)]
        return int(line.split()[1]) * 1024


def environment(home: Path, bucket: LogBucket) -> dict[str, str]:
    made = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/database",
        "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": "",
        "AIRFLOW__API__SECRET_KEY": "s" * 64,
        "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
        "AIRFLOW__SECRETS__BACKEND": "",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+sqlite://",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": bucket.url,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": PORT_OF_LOGS,
        "LOG_BUCKET_NAME": "bucket",
        "WORKER_QUEUE_URL": "http://127.0.0.1:1/1/stack-queue-default",
        "WORKER_QUEUE_NAMES": "reports",
        "STACK_NAME": "stack",
    }
    configuration.apply(made)
    return made


@contextmanager
def stack(home: Path, *words: str) -> Iterator[Stack]:
    """With the word `patched` as the image runs it, otherwise Airflow as it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log_bucket() as bucket:
        variables = {**environment(home, bucket), "AIRFLOW__API__PORT": str(port)}
        done = subprocess.run(
            [sys.executable, SCRIPT, *words], env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        outcome = json.loads(done.stdout.splitlines()[-1])
        module = "airflow_on_fargate.component" if "patched" in words else "airflow"
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, "api-server"],
                env=variables, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        try:
            token = answered(f"{url}/auth/token", process, home / "log")["access_token"]
            yield Stack(home, url, token, bucket, process, outcome)
        finally:
            # Nothing is to be saved, and a graceful end takes long on a busy machine.
            process.kill()
            process.wait()


@contextmanager
def log_server(stack: Stack) -> Iterator[Path]:
    """What a worker serves, as Airflow's worker does; the folder of its logs."""
    home, folder = stack.home, stack.home / "of-the-worker"
    folder.mkdir()
    variables = {
        **environment(home, stack.bucket),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder),
    }
    factory = "airflow.utils.serve_logs.log_server:get_app"
    with (home / "log-server").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", factory, "--port", PORT_OF_LOGS],
            env=variables, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while b"running on" not in (home / "log-server").read_bytes():
            assert process.poll() is None, (home / "log-server").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield folder
    finally:
        process.kill()
        process.wait()


def answered(url: str, process: subprocess.Popen[bytes], log: Path) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("patched"), "patched") as made:
        yield made


def large_log(size: int) -> tuple[bytes, int]:
    """A log of about this size and its number of lines."""
    text = "x" * 100
    count = size // len(LINE.format(0, 0, 0, text))
    # Airflow sorts by time, so the times are in the order of the lines, within one hour.
    seconds = [3600 * number // count for number in range(count)]
    lines = [LINE.format(*divmod(at, 60), n, text) for n, at in enumerate(seconds)]
    return "".join(lines).encode(), count


@pytest.mark.timeout(3 * START_SECONDS)
def test_without_the_patch_the_log_blames_the_host_name(tmp_path: Path) -> None:
    with stack(tmp_path) as plain:
        assert plain.outcome["states"]["unsent"] == "failed"
        (message,) = [each for each in plain.events("unsent") if "::" not in each]
    assert "Please check your `hostname_callable` configuration." in message


@pytest.mark.timeout(3 * START_SECONDS)
@pytest.mark.parametrize(
    ("task", "state"), [("unsent", "failed"), ("unsent_again", "up_for_retry")]
)
def test_task_whose_queue_does_not_exist_says_so_in_its_log(
    patched: Stack, task: str, state: str
) -> None:
    assert patched.outcome["states"][task] == state
    *details, message = patched.events(task)
    assert message == REASON
    assert not any("hostname_callable" in each for each in details)


@pytest.mark.timeout(3 * START_SECONDS)
def test_audit_log_says_why_a_task_was_not_queued(patched: Stack) -> None:
    assert any(
        each and each.endswith(f"Extra info: {REASON}") for each in patched.outcome["audited"]
    )


@pytest.mark.timeout(3 * START_SECONDS)
def test_large_log_is_read_in_bounded_memory(patched: Stack) -> None:
    """100 MB, by the UI's request, as JSON, and whole as a stream."""
    data, count = large_log(100_000_000)
    key = f"{RUN}/task_id=done/attempt=1.log"
    patched.bucket.objects[key] = data
    patched.events("unsent")
    idle = patched.memory("VmRSS")

    for accept, query in (
        ("application/json", ""), (NDJSON, ""), ("application/json", "full_content=true"),
    ):  # fmt: skip
        patched.bucket.sent = 0
        body = patched.read("done", accept, query)
        assert patched.bucket.sent <= 3 * MIB
        assert len(body) < 4 * MIB
        assert f"line {0:08d} " in body.decode() and f"line {count - 1:08d} " in body.decode()
        assert f"aws s3 cp 's3://bucket/{key}' ." in body.decode()

    patched.bucket.sent = patched.bucket.largest = 0
    lines = patched.read("done", NDJSON, "full_content=true").splitlines()
    assert patched.bucket.sent == len(data)
    assert patched.bucket.largest <= 4 * MIB
    messages = [json.loads(line)["event"] for line in lines[3:]]
    assert [each.split()[1] for each in messages] == [f"{n:08d}" for n in range(count)]
    # Airflow as it is holds all of it, several times.
    assert patched.memory("VmHWM") - idle < 150 * MIB


@pytest.mark.timeout(3 * START_SECONDS)
def test_large_log_of_a_running_task_is_read_in_bounded_memory(patched: Stack) -> None:
    """The worker serves it; a continuation token gets what was written since."""
    data, count = large_log(50_000_000)
    idle = patched.memory("VmRSS")
    with log_server(patched) as folder:
        path = folder / "dag_id=logs/run_id=run/task_id=running/attempt=1.log"
        path.parent.mkdir(parents=True)
        path.write_bytes(data + b"half")
        answer = json.loads(patched.read("running"))
        messages = [each["event"] for each in answer["content"]]
        assert sum(map(len, messages)) < 3 * MIB
        assert any("MB of this log are not shown here" in each for each in messages)
        assert messages[-1].startswith(f"line {count - 1:08d} ")

        with path.open("ab") as log:
            log.write(b" a line\nnext\n")
        token = f"token={answer['continuation_token']}"
        more = json.loads(patched.read("running", query=token))
        assert [each["event"] for each in more["content"]] == ["half a line", "next"]
        more = json.loads(patched.read("running", query=f"token={more['continuation_token']}"))
        assert more["content"] == []

        lines = patched.read("running", NDJSON, "full_content=true").splitlines()
        assert sum(json.loads(line)["event"].startswith("line 0") for line in lines) == count
    assert patched.memory("VmHWM") - idle < 150 * MIB


@pytest.mark.timeout(3 * START_SECONDS)
def test_log_that_cannot_be_read_says_why(patched: Stack) -> None:
    key = f"{RUN}/task_id=done/attempt=1.log"
    patched.bucket.objects[key] = large_log(1000)[0]
    patched.bucket.fault = "InternalError"
    try:
        message = patched.events("done")[-1]
    finally:
        patched.bucket.fault = ""
    assert message.startswith(f"Could not read logs from s3://bucket/{key} with error: ")
