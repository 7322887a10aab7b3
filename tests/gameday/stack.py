"""The stack of a game day: its alarms, its faults' tools, and a shell for the runbooks."""

import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
from waiting import PATIENCE_SECONDS

from commands import emulator
from commands.steps import wait_until
from commands.workspace import ROOT, stack_name
from tests.gameday import runbooks
from tests.upgrade.conftest import Stack

DAG_ID = "smoke_classic"
# What notifies nobody, and is in the state ALARM whenever there is work.
WAKE_UP = f"{stack_name()}-queued-"


@dataclass
class GameDayStack(Stack):
    # How long a minute of CloudWatch is.
    minute: float = 3.0
    held: list[socket.socket] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.workspace.client(service)

    # --- alarms ---

    def alarm(self, name: str) -> dict[str, Any]:
        found = self.client("cloudwatch").describe_alarms(AlarmNames=[f"{stack_name()}-{name}"])
        (alarm,) = found["MetricAlarms"]
        return dict(alarm)

    def state(self, name: str) -> str:
        return str(self.alarm(name)["StateValue"])

    def limit(self, name: str) -> int:
        return int(self.alarm(name)["Threshold"])

    def raised(self) -> list[str]:
        """The alarms that somebody would be told of now."""
        pages = self.client("cloudwatch").get_paginator("describe_alarms").paginate()
        return sorted(
            alarm["AlarmName"].removeprefix(f"{stack_name()}-")
            for page in pages
            for alarm in page["MetricAlarms"]
            if alarm["StateValue"] == "ALARM" and not alarm["AlarmName"].startswith(WAKE_UP)
        )

    def wait_for_state(self, name: str, state: str, seconds: float) -> float:
        """Seconds that it took; an alarm that lasts for a minute only is not missed."""
        begun = time.monotonic()
        wait_until(
            lambda: self.state(name) == state, seconds, f"{name} in the state {state}",
            interval=self.minute / 6, now=lambda: self.state(name),
        )  # fmt: skip
        return time.monotonic() - begun

    # --- what faults use ---

    def function(self, name: str) -> str:
        if name == "publish-dags":
            return self.outputs["PublishDagsFunctionName"]
        return f"{stack_name()}-{name}"

    def role_of(self, name: str) -> str:
        found = self.client("lambda").get_function_configuration(FunctionName=self.function(name))
        return str(found["Role"]).rpartition("/")[2]

    def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read() or b"null") or {}
        return found

    def service(self, part: str) -> str:
        arns = self.client("ecs").list_services(cluster=stack_name())["serviceArns"]
        (found,) = (arn for arn in arns if part in arn)
        return str(found)

    def set_count(self, part: str, number: int) -> None:
        self.client("ecs").update_service(
            cluster=stack_name(), service=self.service(part), desiredCount=number
        )

    def wait_for_tasks(self, part: str, number: int) -> None:
        def there() -> bool:
            found = self.client("ecs").describe_services(
                cluster=stack_name(), services=[self.service(part)]
            )["services"][0]
            return bool(found["runningCount"] == number)

        wait_until(there, PATIENCE_SECONDS, f"{number} tasks of {part}", interval=0.5)

    def signal(self, component: str, number: signal.Signals) -> None:
        """The main process of a component, and the server processes of the api-server."""
        sent = 0
        for process in emulator.processes(self.workspace):
            try:
                words = process.cmdline()
                if "airflow_on_fargate.component" in words and component in words:
                    for each in [*process.children(recursive=True), process]:
                        each.send_signal(number)
                        sent += 1
            except psutil.Error:
                continue
        assert sent, f"no process of {component} runs"

    def get(self, path: str) -> int:
        url = self.outputs["AirflowUrl"]
        return requests.get(f"{url}{path}", timeout=30).status_code

    def put(self, key: str, body: bytes) -> None:
        self.client("s3").put_object(Bucket=self.outputs["DagBucketName"], Key=key, Body=body)

    def trigger(self) -> None:
        self.api().trigger(DAG_ID)

    def dead_letters(self) -> str:
        (dimension,) = self.alarm("dead-letters")["Dimensions"]
        url = self.client("sqs").get_queue_url(QueueName=dimension["Value"])
        return str(url["QueueUrl"])

    @property
    def database_port(self) -> int:
        return int(self.workspace.ports["LOCAL_DATABASE_PORT"])

    def filler(self) -> Path:
        """A file beside those of the database, which count as its storage."""
        running = next(self.workspace.state_dir.rglob("postmaster.pid"))
        return running.parent.parent / "game-day"

    def wait_for_commands(self) -> None:
        bucket = self.outputs["StateBucketName"]

        def ended() -> bool:
            listed = self.client("s3").list_objects_v2(Bucket=bucket, Prefix="commands/open/")
            return not listed.get("Contents")

        wait_until(ended, PATIENCE_SECONDS, "the end of the commands", interval=1)

    # --- runbooks ---

    def follow(self, block: runbooks.Block) -> str:
        """Run a block of a runbook in a shell, as the person who is paged does."""
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            **self.workspace.aws_environment(),
            "PATH": f"{ROOT / '.venv/tools/bin'}:{os.environ['PATH']}",
        }
        functions = runbooks.functions().replace("STACK=airflow", f"STACK={stack_name()}")
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", f"{functions}\n{block.text}"],
            env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.file}:\n{block.text}\n{done.stdout}{done.stderr}"
        return done.stdout
