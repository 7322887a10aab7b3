"""Contract: Python functions run in separate processes, as on Lambda."""

import json
import os
from pathlib import Path
from typing import Any

import psutil

from ..conftest import EmbeddedAws, eventually, running_embedded_aws
from ..stack_driver import BUCKET, EXECUTION_ROLE, Stack, StackDriver, zipped

REPORT = """
import json
import logging
import os
import sys

import boto3


def handler(event, context):
    print("a printed line")
    logging.getLogger().warning("a logged line")
    return {
        "environment": dict(os.environ),
        "python": sys.executable,
        "pid": os.getpid(),
        "caller": boto3.client("sts").get_caller_identity()["Account"],
        "remaining": context.get_remaining_time_in_millis(),
        "arn": context.invoked_function_arn,
        "request": context.aws_request_id,
    }
"""
HANGING = """
import time


def handler(event, context):
    print("it begins to hang", flush=True)
    time.sleep(600)
"""
FAILING = """
def handler(event, context):
    raise RuntimeError(f"fails on {event['word']}")
"""


def deploy(stacks: StackDriver, source: str, **properties: Any) -> Stack:
    stack = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "LogGroup": {"Type": "AWS::Logs::LogGroup"},
                "Function": stacks.function(
                    source, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}, **properties
                ),
            },
            "Outputs": {
                "Name": {"Value": {"Ref": "Function"}},
                "LogGroup": {"Value": {"Ref": "LogGroup"}},
            },
        }
    )
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return stack


def invoke(stacks: StackDriver, stack: Stack, event: Any = None) -> Any:
    answer = stacks.aws.client("lambda").invoke(
        FunctionName=stack.outputs["Name"], Payload=json.dumps(event)
    )
    return json.loads(answer["Payload"].read())


def test_environment_is_exactly_that_of_lambda(stacks: StackDriver) -> None:
    stack = deploy(stacks, REPORT, Environment={"Variables": {"MINE": "yes"}})

    report = invoke(stacks, stack)

    environment = report["environment"]
    assert environment["MINE"] == "yes"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == stack.outputs["Name"]
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == stack.outputs["LogGroup"]
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["AWS_ENDPOINT_URL"] == stacks.aws.endpoint_url
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["EMBEDDED_AWS_STATE_DIR"] == str(stacks.aws.state_dir)
    known = {"MINE", "PATH", "LANG", "TZ", "PWD", "LC_CTYPE", "LAMBDA_TASK_ROOT", "_HANDLER",
             "PYTHONDONTWRITEBYTECODE", "PYTHONNOUSERSITE", "TMPDIR"}  # fmt: skip
    others = {name for name in environment.keys() - known if not name.startswith("AWS_")}
    assert others == {"EMBEDDED_AWS_STATE_DIR"}
    assert report["python"] == stacks.aws.config["lambda_python"]
    assert report["caller"] == "000000000000"
    assert report["arn"].endswith(stack.outputs["Name"])
    assert 0 < report["remaining"] <= 120_000


def test_two_functions_have_separate_folders_for_temporary_files(stacks: StackDriver) -> None:
    one, other = deploy(stacks, REPORT), deploy(stacks, REPORT)

    folders = {invoke(stacks, each)["environment"]["TMPDIR"] for each in (one, other)}

    assert len(folders) == 2
    assert all(Path(each).is_relative_to(stacks.aws.state_dir) for each in folders)


def test_second_invocation_uses_the_same_process(stacks: StackDriver) -> None:
    stack = deploy(stacks, REPORT)

    first, second = invoke(stacks, stack), invoke(stacks, stack)

    assert first["pid"] == second["pid"]
    assert first["request"] != second["request"]


def test_update_runs_the_new_code(stacks: StackDriver) -> None:
    first_code = stacks.function("def handler(event, context): return 1\n")
    stack = stacks.create({"Resources": {"Role": EXECUTION_ROLE, "Function": first_code}})
    name = stacks.physical_id(stack, "Function")
    client = stacks.aws.client("lambda")
    assert json.loads(client.invoke(FunctionName=name)["Payload"].read()) == 1

    second_code = stacks.function("def handler(event, context): return 2\n")
    stacks.update(stack, {"Resources": {"Role": EXECUTION_ROLE, "Function": second_code}})

    assert json.loads(client.invoke(FunctionName=name)["Payload"].read()) == 2


def test_output_is_in_the_declared_log_group(stacks: StackDriver) -> None:
    stack = deploy(stacks, REPORT)

    invoke(stacks, stack)

    lines = eventually(lambda: stacks.log_lines(stack.outputs["LogGroup"]))
    assert "a printed line" in lines
    assert any("a logged line" in line for line in lines)
    groups = stacks.aws.client("logs").describe_log_groups()["logGroups"]
    assert f"/aws/lambda/{stack.outputs['Name']}" not in [one["logGroupName"] for one in groups]


def test_output_is_in_the_default_log_group_when_none_is_declared(stacks: StackDriver) -> None:
    function = stacks.function("def handler(event, context): print('a printed line')\n")
    stack = stacks.create({"Resources": {"Role": EXECUTION_ROLE, "Function": function}})
    name = stacks.physical_id(stack, "Function")

    stacks.aws.client("lambda").invoke(FunctionName=name)

    assert stacks.log_lines(f"/aws/lambda/{name}") == ["a printed line"]


def test_function_is_killed_after_its_timeout(stacks: StackDriver) -> None:
    stack = deploy(stacks, HANGING, Timeout=1)

    answer = invoke(stacks, stack)

    assert answer["errorMessage"].startswith("Task timed out after 1.00 seconds")
    assert "it begins to hang" in stacks.log_lines(stack.outputs["LogGroup"])
    assert processes_of(stacks.aws, stack) == []


def test_failed_asynchronous_event_is_retried_twice(
    stacks: StackDriver,
) -> None:
    stack = deploy(stacks, FAILING)

    stacks.aws.client("lambda").invoke(
        FunctionName=stack.outputs["Name"], InvocationType="Event", Payload='{"word": "this"}'
    )

    def attempts() -> bool:
        lines = stacks.log_lines(stack.outputs["LogGroup"])
        return sum("fails on this" in line and "[ERROR]" in line for line in lines) == 3

    eventually(attempts)


def test_deletion_of_a_stack_ends_processes_and_deletes_logs(stacks: StackDriver) -> None:
    stack = deploy(stacks, REPORT)
    invoke(stacks, stack)
    assert len(processes_of(stacks.aws, stack)) == 1

    stacks.delete(stack)

    assert processes_of(stacks.aws, stack) == []
    groups = stacks.aws.client("logs").describe_log_groups()["logGroups"]
    assert stack.outputs["LogGroup"] not in [one["logGroupName"] for one in groups]


def test_end_of_the_emulator_ends_the_processes(tmp_path: Any) -> None:
    with running_embedded_aws(tmp_path / "state") as aws:
        stacks = StackDriver(aws)
        stack = deploy(stacks, REPORT)
        invoke(stacks, stack)
        assert len(processes_of(aws, stack)) == 1

    assert processes_of(aws, stack) == []


def processes_of(aws: EmbeddedAws, stack: Stack) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue
        ours = environment.get("EMBEDDED_AWS_STATE_DIR") == str(aws.state_dir)
        name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        if ours and name == stack.outputs["Name"] and process.pid != os.getpid():
            found.append(process.pid)
    return found


def test_layers_of_a_function_are_in_the_folder_that_stands_for_opt(stacks: StackDriver) -> None:
    def layer(**files: str) -> dict[str, Any]:
        body = zipped({name.replace("__", "/"): text for name, text in files.items()})
        key = stacks.upload(body).rsplit("/", 1)[-1]
        content = {"S3Bucket": BUCKET, "S3Key": key}
        return {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": content}}

    source = """
    import os
    from pathlib import Path


    def handler(event, context):
        import helper
        folder = Path(os.environ["FOLDER"])
        return {
            "files": {path.name: path.read_text() for path in folder.iterdir()},
            "helper": helper.WORD,
            "other": os.environ["OTHER"],
        }
    """
    stack = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "First": layer(data__one="1", data__two="old"),
                "Second": layer(data__two="2", **{"python__helper.py": "WORD = 'found'\n"}),
                "Function": stacks.function(
                    source,
                    Layers=[{"Ref": "First"}, {"Ref": "Second"}],
                    Environment={"Variables": {"FOLDER": "/opt/data", "OTHER": "/tmp/data"}},
                ),
            },
            "Outputs": {"Name": {"Value": {"Ref": "Function"}}},
        }
    )
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)

    answer = stacks.aws.client("lambda").invoke(FunctionName=stack.outputs["Name"])

    assert json.loads(answer["Payload"].read()) == {
        "files": {"one": "1", "two": "2"},
        "helper": "found",
        "other": "/tmp/data",
    }
