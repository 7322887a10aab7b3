"""The fleet without the rest of the stack: the shipped template of the fleet, and real workers.

Scaler, wake-up, alarm, tick, events and custom resource are those of the product. The workers are
Airflow's with the in-image package, and they run plain Celery tasks (see plain_workers).
"""

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.exceptions import ClientError
from plain_workers import CPU, MEMORY, Arrivals, PlainWorkers, WorkerSettings
from waiting import PATIENCE_SECONDS

from commands.steps import wait_until
from commands.workspace import ROOT, Workspace
from scale_workers.fleet_state import FleetState

STATE_KEY = "fleet/default/state.json"
CAPABILITIES = ["CAPABILITY_IAM"]
ARN = "arn:aws:{}:us-east-1:000000000000:{}"
# The scaler is killed once, before or after its call of RunTask.
KILLED = """
import os
from botocore.client import BaseClient
from scale_workers.handler import handler

call = BaseClient._make_api_call

def killed_once(client, operation, arguments):
    def die():
        try:
            os.close(os.open(os.environ["KILL_MARK"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os._exit(1)

    if operation == "RunTask" and os.environ["KILL"] == "before RunTask":
        die()
    answer = call(client, operation, arguments)
    if operation == "RunTask" and os.environ["KILL"] == "after RunTask":
        die()
    return answer

BaseClient._make_api_call = killed_once
"""


@cache
def scaler_files() -> dict[str, bytes]:
    """The function's files as `sam build` creates them."""
    with TemporaryDirectory() as artifacts:
        subprocess.run(
            ["make", "-s", "build-ScaleWorkersFunction", f"ARTIFACTS_DIR={artifacts}"],
            cwd=ROOT / "functions",
            env={**os.environ, "PYTHON": str(ROOT / ".venv" / "uv" / "bin" / "python")},
            check=True,
        )
        files = sorted(path for path in Path(artifacts).rglob("*") if path.is_file())
        return {str(path.relative_to(artifacts)): path.read_bytes() for path in files}


def bundle(**more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**scaler_files(), **more}.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def forget_announcements(s3: Any, bucket: str) -> None:
    """Remove from the scaler's state what wake-ups have announced, and the launches for it."""
    place = {"Bucket": bucket, "Key": STATE_KEY}

    def done() -> bool:
        try:
            found = s3.get_object(**place)
            state = FleetState.from_json(json.load(found["Body"]))
            body = json.dumps(replace(state, announced=(), launches=()).to_json()).encode()
            # Do not overwrite what the scaler has stored meanwhile: its launch count must not
            # decrease.
            s3.put_object(**place, Body=body, IfMatch=found["ETag"])
        except s3.exceptions.NoSuchKey:
            return True
        except ClientError:
            return False
        return True

    wait_until(done, PATIENCE_SECONDS, "the scaler to stop writing its state")


class SmallFleet:
    """A stack of the fleet's template; the tests create the resources that it needs.

    `fleets` describes by queue what differs from the class's workers, as WorkerFleets does.
    """

    def __init__(
        self,
        workspace: Workspace,
        folder: Path,
        settings: WorkerSettings,
        fleets: Mapping[str, Mapping[str, Any]] | None = None,
        **parameters: str,
    ) -> None:
        self._settings = settings
        self.plain = PlainWorkers(workspace, folder, settings)
        self.good = self.plain.register()
        self._folder = folder
        self._function = f"{self.plain.name}-scale-workers"
        self._stack = f"{self.plain.name}-fleet"
        self.plain.client("s3").put_object(Bucket=self.plain.name, Key="code", Body=bundle())
        text = (ROOT / "nested" / "fleet.yaml").read_text()
        # As `sam package` writes it.
        place = f"Code: {{S3Bucket: {self.plain.name}, S3Key: code}}"
        self._template = text.replace("Code: ../functions/", place)
        self._parameters = {
            "RootStackName": self.plain.name,
            "TaskSubnetIds": "subnet-1",
            "TaskSecurityGroupId": "sg-1",
            "AssignPublicIp": "DISABLED",
            "StateBucketName": self.plain.name,
            "WorkerQueueUrl": self.plain.queue_url,
            "NotificationTopicArn": ARN.format("sns", "topic"),
            "WorkerTaskDefinitionArn": self.good,
            "WorkerRoleArns": self.plain.role,
            "QueueRoleNames": "",
            "WorkerSize": f"{CPU}/{MEMORY}/{settings.concurrency}",
            "WorkerMaxCount": "5",
            "WorkerAheadMaxCount": "0",
            "WorkerQueueNames": "",
            "WorkerFleets": self.worker_fleets(fleets),
            "OperatorClusterName": "",
            "Options": "",
            "EmitMetrics": "false",
            "KmsKeyArn": "",
            "LogDays": "14",
            **parameters,
        }
        self._change("create", "stack_create_complete")

    def worker_fleets(self, fleets: Mapping[str, Mapping[str, Any]] | None = None) -> str:
        """WorkerFleets in which the workers of every queue idle as long as the settings say."""
        idle = {"idleTimeoutSeconds": self._settings.idle_seconds}
        return json.dumps(
            {queue: {**idle, **each} for queue, each in {"default": {}, **(fleets or {})}.items()}
        )

    def deploy(
        self, fleets: Mapping[str, Mapping[str, Any]] | None = None, **parameters: str
    ) -> None:
        """Update the stack like a deployment."""
        if fleets is not None:
            parameters["WorkerFleets"] = self.worker_fleets(fleets)
        self._parameters |= parameters
        self._change("update", "stack_update_complete")

    def _change(self, verb: str, state: str) -> None:
        cloudformation = self.plain.client("cloudformation")
        getattr(cloudformation, f"{verb}_stack")(
            StackName=self._stack, TemplateBody=self._template, Capabilities=CAPABILITIES,
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in self._parameters.items()
            ],
        )  # fmt: skip
        cloudformation.get_waiter(state).wait(
            StackName=self._stack, WaiterConfig={"Delay": 1, "MaxAttempts": 90}
        )

    def kill_scaler(self, moment: str) -> None:
        """End the function's process once, "before RunTask" or "after RunTask"."""
        functions = self.plain.client("lambda")
        found = functions.get_function_configuration(FunctionName=self._function)
        variables = found["Environment"]["Variables"]
        self._mark = self._folder / f"{self.plain.name}.killed"
        variables |= {"KILL": moment, "KILL_MARK": str(self._mark)}
        functions.update_function_code(
            FunctionName=self._function, ZipFile=bundle(**{"killed.py": KILLED})
        )
        functions.update_function_configuration(
            FunctionName=self._function, Handler="killed.handler",
            Environment={"Variables": variables},
        )  # fmt: skip

    @property
    def was_killed(self) -> bool:
        return self._mark.exists()

    def publish(
        self, *arrivals: tuple[float, float], queue: str = "default"
    ) -> "subprocess.Popen[str]":
        """Publish messages and wake the scaler up like the scheduler."""
        plan: Arrivals = list(arrivals)
        return self.plain.publish(plan, wake_up=True, queue=queue)

    def wait_for_runs(self, count: int, seconds: float) -> None:
        wait_until(lambda: len(self.plain.runs()) >= count, seconds, f"{count} runs")

    def wait_for_no_worker(self, seconds: float) -> None:
        wait_until(lambda: not self.plain.active(), seconds, "the last worker's end", interval=0.5)

    def counts(self) -> dict[str, int]:
        """Counts that must be zero at the end: messages lost, run twice, left in the queue."""
        runs = [number for number, _ in self.plain.runs()]
        visible, in_flight = self.plain.depth()
        return {
            "lost": len(self.plain.sent().keys() - set(runs)) - visible - in_flight,
            "twice": len(runs) - len(set(runs)),
            "stranded": visible + in_flight,
        }

    def state(self) -> dict[str, Any]:
        try:
            answer = self.plain.client("s3").get_object(Bucket=self.plain.name, Key=STATE_KEY)
        except ClientError:
            return {}
        found: dict[str, Any] = json.load(answer["Body"])
        return found

    def forget_announcements(self) -> None:
        """Forget the announcements of messages that were removed before they ran."""
        forget_announcements(self.plain.client("s3"), self.plain.name)

    def scaler_log(self) -> list[dict[str, Any]]:
        """The function's log, including its metrics."""
        found = self.plain.client("lambda").get_function_configuration(FunctionName=self._function)
        pages = (
            self.plain.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=found["LoggingConfig"]["LogGroup"])
        )
        lines = [event["message"] for page in pages for event in page["events"]]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def metric(self, name: str) -> int:
        """The sum of one of the scaler's embedded metrics."""
        values = [line[name] for line in self.scaler_log() if "_aws" in line and name in line]
        return int(sum(sum(value) if isinstance(value, list) else value for value in values))


NOTHING_WRONG = {"lost": 0, "twice": 0, "stranded": 0}
