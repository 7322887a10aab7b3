"""Contract: a burst of asynchronous events starts a bounded number of processes."""

import json
from concurrent.futures import ThreadPoolExecutor

from ..conftest import eventually
from ..stack_driver import EXECUTION_ROLE, StackDriver

EVENTS = 60
MAX_AT_ONCE = 8
NOTING = """
import os
import time


def handler(event, context):
    time.sleep(0.1)
    print(f"event {event['number']} in process {os.getpid()}")
    return os.getpid()
"""


def test_burst_of_events_runs_in_eight_processes_and_none_is_lost(stacks: StackDriver) -> None:
    stack = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "LogGroup": {"Type": "AWS::Logs::LogGroup"},
                "Function": stacks.function(
                    NOTING, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}
                ),
            },
            "Outputs": {
                "Name": {"Value": {"Ref": "Function"}},
                "LogGroup": {"Value": {"Ref": "LogGroup"}},
            },
        }
    )
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    client = stacks.aws.client("lambda")

    def send(number: int) -> None:
        client.invoke(
            FunctionName=stack.outputs["Name"], InvocationType="Event",
            Payload=json.dumps({"number": number}),
        )  # fmt: skip

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(EVENTS)))
    found: dict[str, str] = {}

    def all_have_run() -> bool:
        for line in stacks.log_lines(stack.outputs["LogGroup"]):
            if line.startswith("event "):
                _, number, _, _, process = line.split()
                found[number] = process
        return len(found) == EVENTS

    eventually(all_have_run)
    assert 1 < len(set(found.values())) <= MAX_AT_ONCE
    # A request that waits for its answer does not wait for events.
    answer = client.invoke(FunctionName=stack.outputs["Name"], Payload='{"number": -1}')
    assert answer["StatusCode"] == 200
