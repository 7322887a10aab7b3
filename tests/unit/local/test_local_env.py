"""make local-env: the files for `sam local invoke`, and how a container reaches this machine."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from waiting import PATIENCE_SECONDS

from commands import emulator
from commands.local_invoke import bridge, local_env
from commands.local_invoke.local_env import DeployedFunction
from commands.workspace import ROOT, CommandError, Workspace

ENDPOINT = "http://172.17.0.1:4566"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, aws_port=4566, ui_port=8080, database_port=5433, https_port=8443)


def function(path: str, **variables: str) -> DeployedFunction:
    return DeployedFunction(
        path,
        {
            "Handler": "package.handler.handler",
            "Runtime": "python3.13",
            "MemorySize": 256,
            "Timeout": 60,
            "Environment": {"Variables": variables},
        },
    )


class Pages:
    """A stack with one function in a nested stack, and Lambda's answer about it."""

    def get_paginator(self, operation: str) -> "Pages":
        assert operation == "list_stack_resources"
        return self

    def paginate(self, StackName: str) -> list[dict[str, Any]]:
        if StackName == "arn:nested":
            return [{"StackResourceSummaries": [
                {"LogicalResourceId": "Function", "ResourceType": "AWS::Lambda::Function",
                 "PhysicalResourceId": "function-name"},
            ]}]  # fmt: skip
        return [{"StackResourceSummaries": [
            {"LogicalResourceId": "Stack", "ResourceType": "AWS::CloudFormation::Stack",
             "PhysicalResourceId": "arn:nested"},
            {"LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket",
             "PhysicalResourceId": "bucket"},
        ]}]  # fmt: skip

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
        return {"FunctionName": FunctionName}


def test_asks_for_make_up_when_nothing_runs(workspace):
    with pytest.raises(CommandError, match=r"run `make up .*` first"):
        local_env.local_env(workspace)


def test_finds_the_functions_of_nested_stacks(workspace, monkeypatch):
    monkeypatch.setattr(Workspace, "client", lambda self, service: Pages())
    found = local_env.deployed_functions(workspace)
    assert found == [DeployedFunction("Stack/Function", {"FunctionName": "function-name"})]
    assert found[0].logical_id == "Function"


def test_variables_select_the_embedded_aws(workspace):
    functions = [function("Stack/Function", QUEUE_URL="http://queue", AWS_ENDPOINT_URL="other")]
    assert local_env.environment_variables(functions, workspace, ENDPOINT) == {
        "Function": {
            "QUEUE_URL": "http://queue",
            "AWS_ENDPOINT_URL": ENDPOINT,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    }


def test_template_declares_every_variable_without_its_value(workspace):
    functions = [function("Stack/Function", QUEUE_URL="http://queue")]
    variables = local_env.environment_variables(functions, workspace, ENDPOINT)
    template = local_env.template(functions, variables, Path("/built"))
    properties = template["Resources"]["Function"]["Properties"]
    # SAM ignores a variable of the --env-vars file that the template does not declare.
    assert properties.pop("Environment") == {"Variables": dict.fromkeys(variables["Function"], "")}
    assert properties.pop("Architectures") in (["x86_64"], ["arm64"])
    assert properties == {
        "Code": "/built/Stack/Function",
        "Handler": "package.handler.handler",
        "Runtime": "python3.13",
        "MemorySize": 256,
        "Timeout": 60,
    }


@pytest.mark.parametrize(
    ("machine", "expected"), [("x86_64", "x86_64"), ("aarch64", "arm64"), ("arm64", "arm64")]
)
def test_functions_run_on_the_processor_of_this_machine(machine, expected):
    assert local_env.architecture(machine) == expected


def test_events_of_custom_resources_answer_to_this_machine():
    events = local_env.answerable_events(ROOT / "events", "http://answer")
    assert "preflight/custom-resource-create.json" in events
    sample = json.loads((ROOT / "events/preflight/custom-resource-create.json").read_text())
    assert events["preflight/custom-resource-create.json"] == {
        **sample,
        "ResponseURL": "http://answer",
    }


def test_the_bridge_of_docker_comes_first(monkeypatch, workspace):
    monkeypatch.delenv("LOCAL_BRIDGE_ADDRESS", raising=False)
    address = psutil.net_if_addrs()["lo"][0]
    assert address.family == socket.AF_INET
    monkeypatch.setattr(
        psutil,
        "net_if_addrs",
        lambda: {
            "podman0": [address._replace(address="10.88.0.1")],
            "docker0": [
                address._replace(family=socket.AF_INET6, address="fe80::1"),
                address._replace(address="172.17.0.1"),
            ],
        },
    )
    assert bridge.bridge_address(workspace) == "172.17.0.1"
    monkeypatch.setenv("LOCAL_BRIDGE_ADDRESS", "192.0.2.1")
    assert bridge.bridge_address(workspace) == "192.0.2.1"


def test_says_how_to_name_the_bridge_when_there_is_none(monkeypatch, workspace):
    monkeypatch.delenv("LOCAL_BRIDGE_ADDRESS", raising=False)
    monkeypatch.setattr(psutil, "net_if_addrs", dict)
    with pytest.raises(CommandError, match="LOCAL_BRIDGE_ADDRESS"):
        bridge.bridge_address(workspace)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose port answers on 127.0.0.1, as the embedded AWS does."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        workspace = Workspace(
            tmp_path, server.server_port, ui_port=8080, database_port=5433, https_port=8443
        )
        yield workspace
        emulator.end(workspace)
        server.shutdown()


def test_forwards_the_bridge_until_everything_ends(served, monkeypatch):
    # Any address of this machine, other than the one that is forwarded to.
    monkeypatch.setenv("LOCAL_BRIDGE_ADDRESS", "127.0.0.2")
    url = bridge.endpoint(served)
    assert url == f"http://127.0.0.2:{served.aws_port}"
    assert requests.get(url, timeout=PATIENCE_SECONDS).text == "hello"

    assert bridge.endpoint(served) == url
    assert len(emulator.processes(served)) == 1

    assert emulator.end(served) == 1
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=PATIENCE_SECONDS)


def test_names_the_address_when_nothing_can_listen_on_it(served, monkeypatch):
    monkeypatch.setenv("LOCAL_BRIDGE_ADDRESS", "192.0.2.250")
    monkeypatch.setattr(bridge, "_answers", lambda url: False)
    with pytest.raises(CommandError, match=r"Nothing listens on http://192\.0\.2\.250:"):
        bridge.endpoint(served)
