"""Contract: custom resources are invoked, awaited and cleaned up as by CloudFormation."""

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from waiting import PATIENCE_SECONDS, slowness

from ..conftest import eventually, running_embedded_aws
from ..stack_driver import BUCKET, EXECUTION_ROLE, StackDriver, seconds_of

PROVIDER = f"""
import json
import urllib.request

import boto3


def handler(event, context):
    properties = event["ResourceProperties"]
    print(json.dumps([event["RequestType"], event.get("PhysicalResourceId"), properties]))
    if event["RequestType"] == "Delete":
        answer(event)
    elif properties["Answer"] == "later":
        boto3.client("s3").put_object(
            Bucket="{BUCKET}", Key=properties["RecordKey"], Body=json.dumps(event)
        )
    elif properties["Answer"] == "FAILED":
        answer(event, Status="FAILED", Reason="it does not work")
    elif properties["Answer"] == "too much":
        answer(event, Data={{"Big": "x" * 5000}})
    elif properties["Answer"] == "now":
        answer(event, Data={{"Word": "data of the answer"}})


def answer(event, **fields):
    body = {{
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "id-of-the-provider"),
        **{{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}},
        **fields,
    }}
    put = urllib.request.Request(
        event["ResponseURL"], json.dumps(body).encode(), {{"content-type": ""}}, method="PUT"
    )
    urllib.request.urlopen(put)
"""


def template(stacks: StackDriver, answer: str, **properties: Any) -> dict[str, Any]:
    """The provider logs to a group that a rollback does not delete, so that it can be read."""
    group = {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Retain", "Properties": {}}
    thing = {
        "Type": "Custom::Thing",
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["Provider", "Arn"]},
            "ServiceTimeout": 300,
            "Answer": answer,
            **properties,
        },
    }
    provider = stacks.function(PROVIDER, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}})
    return {
        "Resources": {
            "Role": EXECUTION_ROLE, "LogGroup": group, "Provider": provider, "Thing": thing,
        }
    }  # fmt: skip


def requests_of(stacks: StackDriver, stack: Any, count: int) -> list[list[Any]]:
    """The provider's requests: type, physical id, properties."""
    group = next(
        e.physical_id for e in stacks.events(stack) if e.logical_id == "LogGroup" and e.physical_id
    )

    def logged() -> list[list[Any]]:
        found = [json.loads(line) for line in stacks.log_lines(group)]
        return found if len(found) >= count else []

    found: list[list[Any]] = eventually(logged)
    return found


def test_data_and_physical_id_are_those_of_the_answer(stacks: StackDriver) -> None:
    made = template(stacks, "now", Flag=True, Count=3)
    made["Outputs"] = {"Word": {"Value": {"Fn::GetAtt": ["Thing", "Word"]}}}

    stack = stacks.create(made)

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    assert stack.outputs["Word"] == "data of the answer"
    assert stacks.physical_id(stack, "Thing") == "id-of-the-provider"
    _kind, _id, properties = requests_of(stacks, stack, 1)[0]
    assert (properties["Flag"], properties["Count"]) == ("true", "3")


def test_stack_waits_for_an_answer_after_the_function_has_returned(
    stacks: StackDriver,
) -> None:
    cloudformation, s3 = (stacks.aws.client(name) for name in ("cloudformation", "s3"))
    made = template(stacks, "later", RecordKey="request-to-answer-later")
    started = cloudformation.create_stack(StackName="answered-later", **stacks.request(made, {}))

    def record() -> Any:
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="request-to-answer-later")
        return listed["KeyCount"] and s3.get_object(Bucket=BUCKET, Key="request-to-answer-later")

    event = json.loads(eventually(record)["Body"].read())
    assert stacks.describe(started["StackId"]).status == "CREATE_IN_PROGRESS"
    body = json.dumps({"Status": "SUCCESS", "PhysicalResourceId": "answered-at-last"}).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], body, method="PUT"))

    stack = stacks.wait(started["StackId"])

    assert stack.status == "CREATE_COMPLETE"
    assert stacks.physical_id(stack, "Thing") == "answered-at-last"


def test_failed_create_is_followed_by_a_delete_of_the_same_id(stacks: StackDriver) -> None:
    stack = stacks.create(template(stacks, "FAILED"))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "it does not work" in stacks.failures(stack)["Thing"]
    create, delete = requests_of(stacks, stack, 2)
    assert create[:2] == ["Create", None]
    assert delete[:2] == ["Delete", "id-of-the-provider"]


def test_old_properties_are_sent_again_when_an_update_failed(stacks: StackDriver) -> None:
    made = template(stacks, "now")
    stack = stacks.create(made)
    made["Resources"]["Thing"]["Properties"]["Answer"] = "FAILED"

    updated = stacks.update(stack, made)

    assert updated.status == "UPDATE_ROLLBACK_COMPLETE"
    answers = [
        (kind, properties["Answer"]) for kind, _id, properties in requests_of(stacks, stack, 3)
    ]
    assert answers == [("Create", "now"), ("Update", "FAILED"), ("Update", "now")]


def test_create_fails_without_an_answer_within_the_service_timeout(
    stacks: StackDriver,
) -> None:
    patience = round(6 * slowness())
    started = time.monotonic()

    stack = stacks.create(template(stacks, "never", ServiceTimeout=patience))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "did not receive a response" in stacks.failures(stack)["Thing"]
    assert patience <= seconds_of(started) < 10 * patience


def test_create_fails_when_the_answer_is_longer_than_4096_bytes(stacks: StackDriver) -> None:
    stack = stacks.create(template(stacks, "too much"))

    assert stacks.failures(stack)["Thing"] == "Response object is too long."


def test_deletion_of_a_stack_sends_a_delete(stacks: StackDriver) -> None:
    stack = stacks.create(template(stacks, "now"))

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    assert requests_of(stacks, stack, 2)[1][:2] == ["Delete", "id-of-the-provider"]


def test_emulator_ends_without_waiting_for_an_answer(tmp_path: Path) -> None:
    with running_embedded_aws(tmp_path / "state") as aws:
        stacks = StackDriver(aws)
        waiting = template(stacks, "never", ServiceTimeout=3600)
        nested = {"TemplateURL": stacks.upload(waiting)}
        parent = {"Child": {"Type": "AWS::CloudFormation::Stack", "Properties": nested}}
        aws.client("cloudformation").create_stack(
            StackName="waits-for-ever", **stacks.request({"Resources": parent}, {})
        )
        eventually(lambda: "Thing" in begun(stacks))

        aws.process.terminate()

        assert aws.process.wait(timeout=PATIENCE_SECONDS) == 0


def begun(stacks: StackDriver) -> set[str]:
    """The resources of all stacks that have been started."""
    found = stacks.aws.client("cloudformation").describe_stacks()["Stacks"]
    every = [event for one in found for event in stacks.events(stacks.describe(one["StackId"]))]
    return {event.logical_id for event in every}
