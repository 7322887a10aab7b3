"""The faults of a game day: what breaks, the alarm that says so, and when at the latest.

A fault that the commands of a runbook repair has its block there, marked `game-day=<name>`. Where
the cause lies outside of the stack, the runbook says to end it, which `end` does before the block.
"""

import json
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.gameday.stack import GameDayStack

Act = Callable[["GameDayStack"], None]


@dataclass(frozen=True)
class Fault:
    name: str
    # The alarm's name behind that of the stack.
    alarm: str
    inject: Act
    # Minutes of CloudWatch until the alarm, counted from the alarm's periods and what the fault
    # itself takes; and seconds that no setting shortens, such as those of health checks.
    minutes: int
    seconds: int = 15
    end: Act | None = None


def _count(service: str, number: int) -> Act:
    def change(stack: "GameDayStack") -> None:
        stack.set_count(service, number)

    return change


def _hang(component: str) -> Act:
    def stop(stack: "GameDayStack") -> None:
        stack.signal(component, signal.SIGSTOP)

    return stop


def _call_wrongly(function: str) -> Act:
    """An event that the function does not know: it fails, and logs the keys."""

    def call(stack: "GameDayStack") -> None:
        stack.invoke(stack.function(function), {"sent-by": "a game day"})

    return call


def _throttle(function: str) -> Act:
    def refuse(stack: "GameDayStack") -> None:
        client, name = stack.client("lambda"), stack.function(function)
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        for _ in range(2):
            with suppress(ClientError):
                stack.invoke(name, {})

    return refuse


def _admit(function: str) -> Act:
    def admit(stack: "GameDayStack") -> None:
        stack.client("lambda").delete_function_concurrency(FunctionName=stack.function(function))

    return admit


def _pause_and_work(stack: "GameDayStack") -> None:
    stack.invoke(stack.function("scale-workers"), {"pause": True})
    stack.trigger()


def _request_from_nobody(stack: "GameDayStack") -> None:
    stack.set_count("ApiServerService", 0)
    stack.wait_for_tasks("ApiServerService", 0)
    for _ in range(15):
        stack.get("/")


def _give_up_a_message(stack: "GameDayStack") -> None:
    stack.client("sqs").send_message(QueueUrl=stack.dead_letters(), MessageBody="a lost task")


def _upload_what_is_refused(stack: "GameDayStack") -> None:
    stack.put("inbox/dags.zip", b"this is not a zip file")


def _upload_what_cannot_be_imported(stack: "GameDayStack") -> None:
    stack.put("dags/game_day.py", b"from airflow.sdk import DAG\nimport no_such_package\n")


def _connect(stack: "GameDayStack") -> None:
    """A client that is not of the stack holds most of the connections."""
    for _ in range(stack.limit("database-connections") + 5):
        connection = socket.create_connection(("127.0.0.1", stack.database_port))
        stack.held.append(connection)


def _disconnect(stack: "GameDayStack") -> None:
    while stack.held:
        stack.held.pop().close()


def _fill(stack: "GameDayStack") -> None:
    """A file with a hole: as large as the storage, on no disk."""
    with stack.filler().open("wb") as file:
        file.truncate(19 * 2**30)


def _empty(stack: "GameDayStack") -> None:
    stack.filler().unlink(missing_ok=True)


def _fail_the_cleaning(stack: "GameDayStack") -> None:
    """Two at once: the second one is refused, and nobody waits for it."""
    for _ in range(2):
        stack.invoke(stack.function("run-airflow-command"), {"maintenance": "db-clean"})


def _wait_for_commands(stack: "GameDayStack") -> None:
    stack.wait_for_commands()


def _take_a_permission(stack: "GameDayStack") -> None:
    denied = {"Effect": "Deny", "Action": "ecs:RunTask", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    stack.client("iam").put_role_policy(
        RoleName=stack.role_of("scale-workers"), PolicyName="game-day", PolicyDocument=policy
    )
    stack.trigger()
    for _ in range(4):
        stack.invoke(stack.function("scale-workers"), {})


def _return_the_permission(stack: "GameDayStack") -> None:
    stack.client("iam").delete_role_policy(
        RoleName=stack.role_of("scale-workers"), PolicyName="game-day"
    )


FAULTS = (
    Fault("scheduler-hangs", "scheduler-heartbeat", _hang("scheduler"), minutes=16),
    Fault("dag-processor-hangs", "dag-processor-heartbeat", _hang("dag-processor"), minutes=16),
    Fault("triggerer-hangs", "triggerer-heartbeat", _hang("triggerer"), minutes=16),
    Fault("control-plane-stopped", "control-plane-stopped", _count("ControlPlaneService", 0),
          minutes=16, seconds=60),
    Fault("api-server-stopped", "api-server-stopped", _count("ApiServerService", 0), minutes=16,
          seconds=45),
    Fault("api-server-absent", "internet-facing-load-balancer-errors", _request_from_nobody,
          minutes=6, seconds=60),
    Fault("launches-paused-by-a-call", "tasks-wait-default", _pause_and_work, minutes=36),
    Fault("message-given-up", "dead-letters", _give_up_a_message, minutes=6),
    Fault("release-refused", "release-refused", _upload_what_is_refused, minutes=6, seconds=45),
    Fault("file-not-importable", "import-errors", _upload_what_cannot_be_imported, minutes=17,
          seconds=60),
    Fault("database-connections", "database-connections", _connect, minutes=6, end=_disconnect),
    Fault("database-storage", "database-storage", _fill, minutes=6, end=_empty),
    Fault("cleaning-failed", "maintenance-failed", _fail_the_cleaning, minutes=2,
          end=_wait_for_commands),
    Fault("permission-taken", "launches-failed", _take_a_permission, minutes=6, seconds=60,
          end=_return_the_permission),
    Fault("scale-workers-fails", "scale-workers-errors", _call_wrongly("scale-workers"),
          minutes=2),
    Fault("publish-dags-fails", "publish-dags-errors", _call_wrongly("publish-dags"), minutes=2),
    Fault("run-airflow-command-fails", "run-airflow-command-errors",
          _call_wrongly("run-airflow-command"), minutes=2),
    Fault("preflight-fails", "preflight-errors", _call_wrongly("preflight"), minutes=2),
    Fault("scale-workers-throttled", "scale-workers-throttles", _throttle("scale-workers"),
          minutes=2, end=_admit("scale-workers")),
    Fault("publish-dags-throttled", "publish-dags-throttles", _throttle("publish-dags"),
          minutes=2, end=_admit("publish-dags")),
    Fault("run-airflow-command-throttled", "run-airflow-command-throttles",
          _throttle("run-airflow-command"), minutes=2, end=_admit("run-airflow-command")),
)  # fmt: skip
