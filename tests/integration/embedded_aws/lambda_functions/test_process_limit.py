"""Contract: the processes of one function are limited, and no invocation is lost or refused."""

import json
from pathlib import Path

from waiting import eventually

from ..conftest import running_embedded_aws
from ..stack_driver import StackDriver
from .test_runtime import deploy, processes_of

# Blocks until somebody puts an object, so that all invocations are there at the same time.
WAITING = """
import time

import boto3


def handler(event, context):
    print(f"begins {event['number']}", flush=True)
    while not boto3.client("s3").list_objects_v2(Bucket="gate").get("Contents"):
        time.sleep(0.2)
    print(f"ends {event['number']}", flush=True)
"""
LIMIT = 2
EVENTS = 7


def test_further_invocations_wait_for_a_free_process(tmp_path: Path) -> None:
    with running_embedded_aws(tmp_path / "state", function_processes=LIMIT) as aws:
        stacks = StackDriver(aws)
        s3, functions = aws.client("s3"), aws.client("lambda")
        s3.create_bucket(Bucket="gate")
        stack = deploy(stacks, WAITING, Timeout=900)
        for number in range(EVENTS):
            functions.invoke(
                FunctionName=stack.outputs["Name"],
                InvocationType="Event",
                Payload=json.dumps({"number": number}),
            )
        eventually(lambda: len(processes_of(aws, stack)) == LIMIT)

        s3.put_object(Bucket="gate", Key="open", Body=b"")

        def ended() -> set[str]:
            lines = stacks.log_lines(stack.outputs["LogGroup"])
            return {line for line in lines if line.startswith("ends ")}

        eventually(lambda: len(ended()) == EVENTS)
        assert len(processes_of(aws, stack)) == LIMIT


def test_synchronous_invocation_waits_too(tmp_path: Path) -> None:
    with running_embedded_aws(tmp_path / "state", function_processes=1) as aws:
        stacks = StackDriver(aws)
        aws.client("s3").create_bucket(Bucket="gate")
        stack = deploy(stacks, WAITING, Timeout=900)
        client = aws.client("lambda")
        client.invoke(
            FunctionName=stack.outputs["Name"], InvocationType="Event", Payload='{"number": 1}'
        )
        eventually(lambda: len(processes_of(aws, stack)) == 1)
        aws.client("s3").put_object(Bucket="gate", Key="open", Body=b"")

        answer = client.invoke(FunctionName=stack.outputs["Name"], Payload='{"number": 2}')

        assert "FunctionError" not in answer
        assert len(processes_of(aws, stack)) == 1
