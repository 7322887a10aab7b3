"""`make doctor`: what the stack's own function finds, as a table and an exit code.

STACK names a stack on AWS, which is asked with the caller's credentials; without it the stack on
this machine is asked.
"""

import json
import os
import sys
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from commands import deployment, emulator
from commands.stacks import own_stack
from commands.workspace import CommandError, Workspace

# The function waits for a task; a repeated call would wait for it twice.
_PATIENT = Config(read_timeout=330, retries={"total_max_attempts": 1, "mode": "standard"})


def doctor(workspace: Workspace) -> None:
    """Print the table; the exit code is 1 for warnings and 2 for failures.

    Raises:
        CommandError: there is no such stack, or its function did not answer.
    """
    client, name = _function(workspace)
    try:
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"schema": True}))
        found = json.loads(answer["Payload"].read())
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"The function {name} could not be called: {error}") from error
    if "table" not in found:
        raise CommandError(f"The function {name} failed: {found.get('errorMessage', found)}")
    print(found["table"])
    sys.exit(found["exitCode"])


def _function(workspace: Workspace) -> tuple[Any, str]:
    stack = os.environ.get("STACK")
    if stack:
        return boto3.client("lambda", config=_PATIENT), f"{stack}-doctor"
    if not emulator.is_running(workspace):
        raise CommandError(own_stack.absence(workspace))
    name = deployment.outputs(workspace).get("DoctorFunctionName")
    if not name:
        raise CommandError(f"No stack is deployed. `{workspace.make('up')}` deploys it.")
    client = workspace.session().client("lambda", endpoint_url=workspace.endpoint, config=_PATIENT)
    return client, name
