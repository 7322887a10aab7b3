"""The limit of concurrent executions: throttling, patience of asynchronous calls, reservations."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws, eventually, running_embedded_aws
from ..stack_driver import EXECUTION_ROLE, StackDriver, deploy

# Of a new account.
LIMIT = 10
SLOW = """
import time
def handler(event, context):
    time.sleep(event["seconds"])
    print("done", event["number"])
    return event["number"]
"""
REFUSED = "below its minimum value of [{least}]"


@pytest.fixture(scope="module")
def new_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    state_dir = tmp_path_factory.mktemp("new-account")
    with running_embedded_aws(state_dir, lambda_concurrency=LIMIT) as running:
        yield StackDriver(running)


def resources(stacks: StackDriver, **properties: Any) -> dict[str, Any]:
    function = stacks.function(SLOW)
    function["Properties"] |= {"Timeout": 60, **properties}
    return {"Role": EXECUTION_ROLE, "Function": function}


def client(aws: EmbeddedAws) -> Any:
    """A client that does not repeat throttled calls."""
    return boto3.client(
        "lambda",
        endpoint_url=aws.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
    )


def call(stacks: StackDriver, name: str, number: int) -> str:
    payload = f'{{"seconds": 8, "number": {number}}}'
    try:
        answer = client(stacks.aws).invoke(FunctionName=name, Payload=payload)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "FunctionError" if "FunctionError" in answer else "answered"


def test_call_above_the_limit_is_throttled(new_account: StackDriver) -> None:
    stack = deploy(new_account, resources(new_account))
    name = new_account.physical_id(stack, "Function")
    with ThreadPoolExecutor(LIMIT + 2) as pool:
        answers = list(pool.map(lambda n: call(new_account, name, n), range(LIMIT + 2)))

    assert sorted(answers) == ["TooManyRequestsException"] * 2 + ["answered"] * LIMIT


def test_asynchronous_calls_above_the_limit_wait_and_are_made(new_account: StackDriver) -> None:
    stack = deploy(new_account, resources(new_account))
    name = new_account.physical_id(stack, "Function")
    # Twice the limit, and more than two tries would last.
    for number in range(2 * LIMIT):
        payload = f'{{"seconds": 6, "number": {number}}}'
        client(new_account.aws).invoke(FunctionName=name, InvocationType="Event", Payload=payload)
    group = f"/aws/lambda/{name}"

    def lines() -> list[str]:
        try:
            return new_account.log_lines(group)
        except ClientError:
            return []

    done = {f"done {number}" for number in range(2 * LIMIT)}
    eventually(lambda: done <= set(lines()), timeout=180)


def test_new_account_cannot_reserve(new_account: StackDriver) -> None:
    stack = new_account.create(
        {"Resources": resources(new_account, ReservedConcurrentExecutions=1)}
    )

    assert stack.status == "ROLLBACK_COMPLETE"
    assert REFUSED.format(least=10) in new_account.failures(stack)["Function"]


def test_hundred_executions_stay_unreserved(stacks: StackDriver) -> None:
    stack = deploy(stacks, resources(stacks, ReservedConcurrentExecutions=5))
    name = stacks.physical_id(stack, "Function")
    functions = client(stacks.aws)

    assert functions.get_function_concurrency(FunctionName=name)[
        "ReservedConcurrentExecutions"
    ] == 5  # fmt: skip
    with pytest.raises(ClientError, match=r"below its minimum value of \[100\]"):
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=901)
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=900)
    assert stacks.delete(stack).status == "DELETE_COMPLETE"


def test_function_that_reserves_nothing_at_all_is_never_called(stacks: StackDriver) -> None:
    stack = deploy(stacks, resources(stacks, ReservedConcurrentExecutions=0))

    assert call(stacks, stacks.physical_id(stack, "Function"), 1) == "TooManyRequestsException"
