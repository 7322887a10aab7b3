"""`make local-env`: what `sam local invoke` needs to call a function against this machine's stack.

`sam local invoke` gives a container only the variables that the template declares, so an endpoint
in the file of `--env-vars` alone would be ignored. It also runs the template's architecture, arm64,
which other processors can only emulate. Therefore a small template is written beside the variables:
the deployed functions with this machine's architecture and with the variables that select the
embedded AWS. Their code is what `sam build` made of the sources.
"""

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import deployment
from commands.local_invoke import bridge
from commands.stacks import own_stack
from commands.workspace import ROOT, Workspace, stack_name

BUILD = ROOT / "build"
VARIABLES = "local-env.json"
TEMPLATE = "local-invoke.json"
EVENTS = "local-events"
# The object to which the events of custom resources let the function send its answer.
ANSWER_KEY = "local-invoke/answer.json"

Variables = dict[str, dict[str, str]]


@dataclass(frozen=True)
class DeployedFunction:
    """A function of the stack on the embedded AWS.

    Args:
        path: its logical id behind those of its nested stacks, as SAM and its build folder name it.
        configuration: Lambda's answer to GetFunctionConfiguration.
    """

    path: str
    configuration: dict[str, Any]

    @property
    def logical_id(self) -> str:
        """Its name in its own template; no two functions of this project share one."""
        return self.path.rpartition("/")[2]


def local_env(workspace: Workspace) -> None:
    """Write the variables, the template and the events; let containers reach the embedded AWS.

    Raises:
        CommandError: this workspace has no stack, or containers cannot reach this machine.
    """
    own_stack.require(workspace)
    endpoint = bridge.endpoint(workspace)
    functions = deployed_functions(workspace)
    variables = environment_variables(functions, workspace, endpoint)
    answer = f"{deployment.outputs(workspace)['StateBucketName']}/{ANSWER_KEY}"
    _write(BUILD / VARIABLES, variables)
    _write(BUILD / TEMPLATE, template(functions, variables, ROOT / ".aws-sam" / "build"))
    for path, event in answerable_events(ROOT / "events", f"{endpoint}/{answer}").items():
        _write(BUILD / EVENTS / path, event)
    print(f"In a container the embedded AWS is at {endpoint}. Run `sam build`, then:\n")
    for function in functions:
        print(f"  sam local invoke {function.logical_id} --config-env local --event …")
    print(f"\nA custom resource's event in build/{EVENTS}/ sends its answer to s3://{answer}")


def deployed_functions(workspace: Workspace) -> list[DeployedFunction]:
    """The functions of the stack and of its nested stacks, by path."""
    cloudformation = workspace.client("cloudformation")
    functions = workspace.client("lambda")

    def search(stack: str, prefix: str) -> list[DeployedFunction]:
        found = []
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        for resource in (r for page in pages for r in page["StackResourceSummaries"]):
            path = f"{prefix}{resource['LogicalResourceId']}"
            if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                found += search(resource["PhysicalResourceId"], f"{path}/")
            elif resource["ResourceType"] == "AWS::Lambda::Function":
                configuration = functions.get_function_configuration(
                    FunctionName=resource["PhysicalResourceId"]
                )
                found.append(DeployedFunction(path, configuration))
        return found

    return sorted(search(stack_name(), ""), key=lambda function: function.path)


def environment_variables(
    functions: list[DeployedFunction], workspace: Workspace, endpoint: str
) -> Variables:
    """The content of the file of `--env-vars`: each function's variables, by its logical id.

    Nothing in it is secret: a function gets names and ARNs, and the credentials are placeholders.
    They also replace the caller's own credentials, which SAM would pass to the container.
    """
    return {
        function.logical_id: {
            **function.configuration["Environment"]["Variables"],
            **workspace.aws_environment(),
            "AWS_SESSION_TOKEN": "",
            "AWS_ENDPOINT_URL": endpoint,
        }
        for function in functions
    }


def template(
    functions: list[DeployedFunction], variables: Variables, built: Path
) -> dict[str, Any]:
    """The functions for `sam local invoke`, which declare the variables and leave them empty.

    Args:
        built: the folder of `sam build`.
    """
    resources = {}
    for function in functions:
        settings = ("Handler", "Runtime", "MemorySize", "Timeout")
        resources[function.logical_id] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": str(built / function.path),
                **{name: function.configuration[name] for name in settings},
                "Architectures": [architecture(platform.machine())],
                "Environment": {"Variables": dict.fromkeys(variables[function.logical_id], "")},
            },
        }
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def architecture(machine: str) -> str:
    """Lambda's name of a processor."""
    return "arm64" if machine in ("arm64", "aarch64") else "x86_64"


def answerable_events(samples: Path, url: str) -> dict[str, dict[str, Any]]:
    """The sample events of custom resources, by path, with this URL to send the answer to.

    The URL in a sample names a bucket of CloudFormation's, which would refuse the answer.
    """
    events = {
        path.relative_to(samples).as_posix(): json.loads(path.read_text())
        for path in sorted(samples.glob("*/custom-resource-*.json"))
    }
    return {path: {**event, "ResponseURL": url} for path, event in events.items()}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
