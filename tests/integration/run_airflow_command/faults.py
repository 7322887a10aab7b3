"""The injected faults, and the answer that CloudFormation must get for each.

Most faults are a command or a variant of the deployment. A fault that somebody causes meanwhile is
an `inject` function, which is called while the stack waits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.integration.run_airflow_command.conftest import Harness

Inject = Callable[[Harness, str], None]


def _nothing(harness: Harness, stack_id: str) -> None:
    """The fault lies in the command or in the deployment."""


@dataclass(frozen=True)
class Fault:
    name: str
    properties: Mapping[str, Any]
    # A pattern of the reason in the answer; None for SUCCESS.
    reason: str | None
    inject: Inject = _nothing
    before: Callable[[Harness], None] = lambda harness: None
    # Found by the sweep, so it takes more than a minute.
    slow: bool = False
    # Texts that the answer must not contain.
    hidden: tuple[str, ...] = field(default=())


def script(text: str, **more: Any) -> dict[str, Any]:
    return {"Command": ["version", text], **more}


def stop_by_somebody(harness: Harness, stack_id: str) -> None:
    record = harness.record(stack_id)
    harness.client("ecs").stop_task(
        cluster=harness.outputs["Cluster"], task=record["task_arn"], reason="Stopped by a colleague"
    )


def repeat_the_request(harness: Harness, stack_id: str) -> None:
    """Like Lambda, when the first call ended early but had started the task."""
    record = harness.record(stack_id)
    for _ in range(2):
        harness.invoke(record["request"])
    assert len(harness.tasks(record["request_id"])) == 1


def repeat_the_event(harness: Harness, stack_id: str) -> None:
    record = harness.record(stack_id)
    harness.stacks.wait(stack_id)
    (task,) = harness.tasks(record["request_id"])
    before = _outcome(harness, record["request_id"])
    detail = {
        **{key: task[key] for key in ("taskArn", "startedBy", "lastStatus", "stoppedReason")},
        # With another exit code: if it were answered again, the outcome would change.
        "containers": [{"name": "command", "exitCode": 99}],
    }
    event = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}
    harness.invoke(event)
    assert _outcome(harness, record["request_id"]) == before


def hold_the_lock(harness: Harness) -> None:
    harness.invoke({"command": ["db", "migrate", "sleep 8"]})


def leave_a_lock_behind(harness: Harness) -> None:
    """Like a function that ends early, between the two halves of its work."""
    harness.client("s3").put_object(
        Bucket=harness.outputs["State"], Key="commands/locks/database", Body=b"long-gone"
    )


def _outcome(harness: Harness, request_id: str) -> bytes:
    key = f"commands/{request_id}.answered"
    body = harness.client("s3").get_object(Bucket=harness.outputs["State"], Key=key)["Body"]
    data: bytes = body.read()
    return data


def faults(definitions: Mapping[str, str]) -> list[Fault]:
    """All of them. The ARNs of the task definitions come from the deployed harness."""
    silent = {"TaskDefinitionArn": definitions["Silent"]}
    return [
        Fault("None: the command succeeds", script("exit 0"), None),
        Fault("Exit code other than 0", script("echo it broke; exit 3"), r"exit code 3.*it broke"),
        Fault("Image cannot be pulled", script("exit 0", TaskDefinitionArn=definitions["BadImage"]),
              r"did not start.*no-such-image"),
        Fault("Secret is missing", script("exit 0", TaskDefinitionArn=definitions["BadSecret"]),
              r"did not start.*unable to retrieve secret"),
        Fault("Killed, as for memory (SIGKILL)", script("kill -9 $$"), r"exit code (137|-9)"),
        Fault("Task is stopped by somebody", script("sleep 900"), r"Stopped by a colleague",
              stop_by_somebody),
        Fault("Event of a failure is lost", script("echo it broke; exit 4", **silent),
              r"exit code 4.*it broke", slow=True),
        Fault("Event of a success is lost", script("exit 0", **silent), None, slow=True),
        Fault("Event comes twice", script("exit 5"), r"exit code 5", repeat_the_event),
        Fault("Lambda repeats the request twice", script("sleep 6; exit 6"), r"exit code 6",
              repeat_the_request),
        Fault("Command takes too long", script("sleep 600"),
              r"did not end within \d+ s and was stopped", slow=True),
        Fault("Command takes too long and ignores SIGTERM", script("trap '' TERM; sleep 600"),
              r"did not end within \d+ s and was stopped", slow=True),
        Fault("Command is a string", {"Command": "db migrate"},
              r'list of strings, one for each word: \["db", "migrate"\]'),
        Fault("Command is empty", {"Command": []}, r"The command is empty"),
        Fault("Command is missing", {}, r"must be a list of strings"),
        Fault("Command is unknown", {"Command": ["dag", "list"]}, r"did you mean 'dags'"),
        Fault("Command is too long", {"Command": ["dags", "x" * 8192]}, r"ECS allows 8192"),
        Fault("Command would erase the database", {"Command": ["db", "reset", "--yes"]},
              r"'db reset' erases"),
        Fault("Command never ends", {"Command": ["scheduler"]}, r"runs until it is stopped"),
        Fault("Task definition is gone", script("exit 0", TaskDefinitionArn="gone:1"),
              r"TaskDefinition not found"),
        Fault("Cluster is gone", script("exit 0", Function="WithoutCluster"), r"Cluster not found"),
        Fault("ECS cannot be reached", script("exit 0", Function="WithoutEcs"),
              r"Could not start the command's task"),
        Fault("S3 cannot be reached", script("exit 0", Function="WithoutS3"),
              r"Could not read the command"),
        Fault("State bucket is gone", script("exit 0", Function="WithoutBucket"), r"NoSuchBucket"),
        Fault("Setting is missing", script("exit 0", Function="WithoutSetting"),
              r"SUBNET_IDS is missing or empty"),
        Fault("Scheduler cannot be reached", script("exit 0", Function="WithoutScheduler"), None),
        Fault("Log holds a password", script("echo postgresql://airflow:hunter2@db/x; exit 1"),
              r"postgresql://\*\*\*@db/x", hidden=("hunter2",)),
        Fault("Log is long (20,000 lines)", script("yes 'a line of the log' | head -20000; exit 1"),
              r"exit code 1.*a line of the log"),
        Fault("Another migration runs", {"Command": ["db", "migrate", "exit 0"]}, None,
              before=hold_the_lock),
        Fault("Lock was left behind", {"Command": ["db", "migrate", "exit 0"]}, None,
              before=leave_a_lock_behind),
    ]  # fmt: skip
