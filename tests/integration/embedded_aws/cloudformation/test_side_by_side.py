"""Contract: resources that do not depend on each other are created, updated and deleted together.

The custom resources here answer only when the test has seen the requests of all of them. So no test
measures time, and none passes when one resource is finished before the next begins.
"""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ..conftest import EmbeddedAws, eventually
from ..ecs.test_service_resources import service, task_definition
from ..ecs_tasks import Ecs
from ..stack_driver import EXECUTION_ROLE, Event, Stack, StackDriver, deploy

# Logs each request. Answers those that the property Held does not name, so the test has the others.
PROVIDER = """
import json
import urllib.request


def handler(event, context):
    print(json.dumps(event))
    if event["RequestType"] not in event["ResourceProperties"].get("Held", ""):
        body = {
            "Status": "SUCCESS",
            "PhysicalResourceId": event.get("PhysicalResourceId", event["LogicalResourceId"]),
        }
        put = urllib.request.Request(event["ResponseURL"], json.dumps(body).encode(), method="PUT")
        urllib.request.urlopen(put)
"""
NESTED_STACK = "AWS::CloudFormation::Stack"
QUEUE = {"Type": "AWS::SQS::Queue"}
CANCELLED_CREATION = "Resource creation cancelled"

Request = Mapping[str, Any]


@dataclass(frozen=True)
class Provider:
    """The function behind the custom resources, and the test's control over its answers."""

    stacks: StackDriver
    arn: str
    log_group: str

    def resource(self, held: str = "", **more: Any) -> dict[str, Any]:
        properties = {"ServiceToken": self.arn, "ServiceTimeout": 600, "Held": held}
        return {"Type": "Custom::Held", "Properties": properties, **more}

    def requests(self, kind: str, stack_id: str, *logical_ids: str) -> list[Request]:
        """The last request of each resource, when all of them have one."""

        def begun() -> list[Request]:
            lines = self.stacks.log_lines(self.log_group)
            found = {
                event["LogicalResourceId"]: event
                for event in map(json.loads, lines)
                if event["RequestType"] == kind and event["StackId"] == stack_id
            }
            return [found[one] for one in logical_ids] if set(logical_ids) <= set(found) else []

        requests: list[Request] = eventually(begun)
        return requests

    def answer(self, *requests: Request, status: str = "SUCCESS") -> None:
        for request in requests:
            body = {
                "Status": status,
                "Reason": "as told",
                "PhysicalResourceId": request.get("PhysicalResourceId", "by-the-test"),
            }
            urllib.request.urlopen(
                urllib.request.Request(
                    request["ResponseURL"], json.dumps(body).encode(), method="PUT"
                )
            )


@pytest.fixture(scope="module")
def provider(embedded_aws: EmbeddedAws) -> Provider:
    stacks = StackDriver(embedded_aws)
    stack = deploy(
        stacks,
        {
            "Role": EXECUTION_ROLE,
            "LogGroup": {"Type": "AWS::Logs::LogGroup"},
            "Function": stacks.function(PROVIDER, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}),
        },
        Arn={"Fn::GetAtt": ["Function", "Arn"]},
        LogGroup={"Ref": "LogGroup"},
    )
    return Provider(stacks, stack.outputs["Arn"], stack.outputs["LogGroup"])


def begin_creation(
    stacks: StackDriver, name: str, resources: Mapping[str, Any], **more: Any
) -> Stack:
    request = stacks.request({"Resources": resources}, {})
    answer = stacks.aws.client("cloudformation").create_stack(StackName=name, **request, **more)
    return stacks.describe(answer["StackId"])


def begin_update(stacks: StackDriver, stack: Stack, resources: Mapping[str, Any]) -> None:
    request = stacks.request({"Resources": resources}, {})
    stacks.aws.client("cloudformation").update_stack(StackName=stack.id, **request)


def nested(stacks: StackDriver, resources: Mapping[str, Any]) -> dict[str, Any]:
    url = stacks.upload({"Resources": dict(resources)})
    return {"Type": NESTED_STACK, "Properties": {"TemplateURL": url}}


def children_of(stacks: StackDriver, parent: Stack, *logical_ids: str) -> list[Stack]:
    """The nested stacks, as soon as the parent's events name them."""

    def started() -> list[Stack]:
        found = {e.logical_id: e.physical_id for e in stacks.events(parent) if e.physical_id}
        if not set(logical_ids) <= set(found):
            return []
        return [stacks.describe(found[one]) for one in logical_ids]

    children: list[Stack] = eventually(started)
    return children


def place(events: list[Event], logical_id: str, status: str) -> int:
    return [(event.logical_id, event.status) for event in events].index((logical_id, status))


def queues(stacks: StackDriver) -> list[str]:
    return sorted(stacks.aws.client("sqs").list_queues().get("QueueUrls", []))


def test_independent_resources_are_created_side_by_side(
    stacks: StackDriver, provider: Provider
) -> None:
    stack = begin_creation(
        stacks, "creates-together", {one: provider.resource("Create") for one in ("One", "Two")}
    )

    requests = provider.requests("Create", stack.id, "One", "Two")
    provider.answer(*requests)

    assert stacks.wait(stack.id).status == "CREATE_COMPLETE"


def test_resource_begins_when_what_it_depends_on_is_complete(
    stacks: StackDriver, provider: Provider
) -> None:
    resources = {
        "Base": provider.resource("Create"),
        "Named": {**QUEUE, "DependsOn": "Base"},
        "Referring": {"Type": "AWS::SQS::Queue", "Properties": {"Tags": [
            {"Key": "base", "Value": {"Ref": "Base"}}
        ]}},
    }  # fmt: skip
    stack = begin_creation(stacks, "creates-in-order", resources)

    provider.answer(*provider.requests("Create", stack.id, "Base"))

    assert stacks.wait(stack.id).status == "CREATE_COMPLETE"
    events = stacks.events(stack)
    for dependent in ("Named", "Referring"):
        began = place(events, dependent, "CREATE_IN_PROGRESS")
        assert place(events, "Base", "CREATE_COMPLETE") < began


def test_missing_depends_on_shows_whatever_the_seed(
    stacks: StackDriver, provider: Provider
) -> None:
    """The policy names a role that exists only when the slow resource is complete."""
    document = {"Version": "2012-10-17", "Statement": []}
    resources = {
        "Slow": provider.resource("Create"),
        "Role": {
            "Type": "AWS::IAM::Role",
            "DependsOn": "Slow",
            "Properties": {"RoleName": "made-too-late", "AssumeRolePolicyDocument": document},
        },
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "too-early",
                "PolicyDocument": document,
                "Roles": ["made-too-late"],
            },
        },
    }

    stack = stacks.wait(begin_creation(stacks, "lacks-depends-on", resources).id)

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "made-too-late" in stacks.failures(stack)["Policy"]


def test_nested_stacks_are_created_side_by_side(stacks: StackDriver, provider: Provider) -> None:
    child = {"Inside": provider.resource("Create")}
    parent = begin_creation(
        stacks, "nests-together", {one: nested(stacks, child) for one in ("First", "Second")}
    )
    children = children_of(stacks, parent, "First", "Second")

    requests = [provider.requests("Create", child.id, "Inside")[0] for child in children]
    provider.answer(*requests)

    assert stacks.wait(parent.id).status == "CREATE_COMPLETE"


def test_independent_resources_are_updated_side_by_side(
    stacks: StackDriver, provider: Provider
) -> None:
    stack = deploy(stacks, {one: provider.resource() for one in ("One", "Two")})

    begin_update(stacks, stack, {one: provider.resource("Update") for one in ("One", "Two")})
    requests = provider.requests("Update", stack.id, "One", "Two")
    provider.answer(*requests)

    assert stacks.wait(stack.id).status == "UPDATE_COMPLETE"


def test_independent_resources_are_deleted_side_by_side_and_before_what_they_need(
    stacks: StackDriver, provider: Provider
) -> None:
    users = {one: provider.resource("Delete", DependsOn="Base") for one in ("One", "Two")}
    stack = deploy(stacks, {"Base": QUEUE, **users})

    stacks.aws.client("cloudformation").delete_stack(StackName=stack.id)
    requests = provider.requests("Delete", stack.id, "One", "Two")
    provider.answer(*requests)

    assert stacks.wait(stack.id).status == "DELETE_COMPLETE"
    events = stacks.events(stack)
    for user in ("One", "Two"):
        gone = place(events, user, "DELETE_COMPLETE")
        assert gone < place(events, "Base", "DELETE_IN_PROGRESS")


def test_what_an_update_removes_is_deleted_side_by_side(
    stacks: StackDriver, provider: Provider
) -> None:
    removed = {one: provider.resource("Delete") for one in ("One", "Two")}
    stack = deploy(stacks, {"Kept": QUEUE, **removed})

    begin_update(stacks, stack, {"Kept": QUEUE})
    requests = provider.requests("Delete", stack.id, "One", "Two")
    provider.answer(*requests)

    assert stacks.wait(stack.id).status == "UPDATE_COMPLETE"


def test_failure_cancels_what_is_in_progress_and_leaves_nothing(
    stacks: StackDriver, provider: Provider
) -> None:
    queues_before = queues(stacks)
    resources = {
        "Queue": QUEUE,
        "Failing": provider.resource("Create", DependsOn="Queue"),
        "Waiting": provider.resource("Create", DependsOn="Queue"),
        "Later": {**QUEUE, "DependsOn": "Waiting"},
    }
    stack = begin_creation(stacks, "fails-in-one-branch", resources)
    failing, waiting = provider.requests("Create", stack.id, "Failing", "Waiting")

    provider.answer(failing, status="FAILED")

    assert stacks.wait(stack.id).status == "ROLLBACK_COMPLETE"
    assert queues(stacks) == queues_before
    events = stacks.events(stack)
    assert "Later" not in {event.logical_id for event in events}
    assert stacks.failures(stack)["Waiting"] == CANCELLED_CREATION
    cancelled = place(events, "Waiting", "CREATE_FAILED")
    rollback = place(events, stack.name, "ROLLBACK_IN_PROGRESS")
    deletion = place(events, "Waiting", "DELETE_IN_PROGRESS")
    assert place(events, "Failing", "CREATE_FAILED") < cancelled < rollback < deletion
    assert events[rollback].reason == (
        "The following resource(s) failed to create: [Failing, Waiting]. "
        "Rollback requested by user."
    )
    # It had not answered, so CloudFormation has made up an id for its Delete.
    deleted = provider.requests("Delete", stack.id, "Waiting")[0]
    assert deleted["PhysicalResourceId"].startswith(f"{stack.name}-Waiting-")
    # An answer that comes too late changes nothing.
    provider.answer(waiting)
    assert stacks.describe(stack.id).status == "ROLLBACK_COMPLETE"


def test_failed_nested_stack_cancels_its_sibling_with_everything_in_it(
    stacks: StackDriver, provider: Provider
) -> None:
    queues_before = queues(stacks)
    inside = {"Queue": QUEUE, "Inside": provider.resource("Create", DependsOn="Queue")}
    parent = begin_creation(
        stacks, "nests-and-fails", {one: nested(stacks, inside) for one in ("Failing", "Waiting")}
    )
    children = children_of(stacks, parent, "Failing", "Waiting")
    failing, _waiting = (provider.requests("Create", one.id, "Inside")[0] for one in children)

    provider.answer(failing, status="FAILED")

    assert stacks.wait(parent.id).status == "ROLLBACK_COMPLETE"
    assert stacks.failures(parent)["Waiting"] == CANCELLED_CREATION
    assert stacks.failures(children[1])["Inside"] == CANCELLED_CREATION
    assert [stacks.describe(one.id).status for one in children] == ["DELETE_COMPLETE"] * 2
    assert queues(stacks) == queues_before


def test_failed_update_sends_cancelled_ones_back(stacks: StackDriver, provider: Provider) -> None:
    stack = deploy(stacks, {one: provider.resource() for one in ("Failing", "Waiting")})

    begin_update(
        stacks, stack, {one: provider.resource("Update") for one in ("Failing", "Waiting")}
    )
    failing, waiting = provider.requests("Update", stack.id, "Failing", "Waiting")
    provider.answer(failing, status="FAILED")

    assert stacks.wait(stack.id).status == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.failures(stack)["Waiting"] == "Resource update cancelled"

    def sent_back() -> bool:
        last = provider.requests("Update", stack.id, "Waiting")[0]
        kinds = ("ResourceProperties", "OldResourceProperties")
        return [last[kind] for kind in kinds] == [waiting[kind] for kind in reversed(kinds)]

    eventually(sent_back)


def test_other_branches_go_on_without_rollback(stacks: StackDriver, provider: Provider) -> None:
    resources = {
        "Failing": provider.resource("Create"),
        "Waiting": provider.resource("Create"),
        "AfterFailing": {**QUEUE, "DependsOn": "Failing"},
        "AfterWaiting": {**QUEUE, "DependsOn": "Waiting"},
    }
    stack = begin_creation(stacks, "keeps-other-branches", resources, DisableRollback=True)
    failing, waiting = provider.requests("Create", stack.id, "Failing", "Waiting")

    provider.answer(failing, status="FAILED")
    eventually(lambda: "Failing" in stacks.failures(stack))
    provider.answer(waiting)

    assert stacks.wait(stack.id).status == "CREATE_FAILED"
    completed = {e.logical_id for e in stacks.events(stack) if e.status == "CREATE_COMPLETE"}
    assert completed == {"Waiting", "AfterWaiting"}

    stacks.aws.client("cloudformation").rollback_stack(StackName=stack.id)

    assert stacks.wait(stack.id).status == "ROLLBACK_COMPLETE"
    deleted = {e.logical_id for e in stacks.events(stack) if e.status == "DELETE_COMPLETE"}
    assert deleted == {"Failing", "Waiting", "AfterWaiting"}


def test_failed_update_cancels_a_nested_stack_and_sends_it_back(
    stacks: StackDriver, provider: Provider
) -> None:
    def resources(held: str, delay: int) -> dict[str, Any]:
        queue = {**QUEUE, "Properties": {"DelaySeconds": delay}}
        inside = {"Queue": queue, "Inside": provider.resource(held, DependsOn="Queue")}
        return {"Failing": provider.resource(held), "Waiting": nested(stacks, inside)}

    stack = deploy(stacks, resources("", 1))
    child = stacks.describe(stacks.physical_id(stack, "Waiting"))

    begin_update(stacks, stack, resources("Update", 2))
    provider.requests("Update", child.id, "Inside")
    provider.answer(*provider.requests("Update", stack.id, "Failing"), status="FAILED")

    assert stacks.wait(stack.id).status == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.failures(stack)["Waiting"] == "Resource update cancelled"
    assert stacks.describe(child.id).status == "UPDATE_ROLLBACK_COMPLETE"
    answer = stacks.aws.client("sqs").get_queue_attributes(
        QueueUrl=stacks.physical_id(child, "Queue"), AttributeNames=["DelaySeconds"]
    )
    assert answer["Attributes"]["DelaySeconds"] == "1"


def test_user_cancels_an_update_in_progress(stacks: StackDriver, provider: Provider) -> None:
    stack = deploy(stacks, {"One": provider.resource()})
    later = {**QUEUE, "DependsOn": "One"}
    begin_update(stacks, stack, {"One": provider.resource("Update"), "Later": later})
    provider.requests("Update", stack.id, "One")

    stacks.aws.client("cloudformation").cancel_update_stack(StackName=stack.id)

    assert stacks.wait(stack.id).status == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.failures(stack)["One"] == "Resource update cancelled"
    events = stacks.events(stack)
    rollback = events[place(events, stack.name, "UPDATE_ROLLBACK_IN_PROGRESS")]
    assert rollback.reason == "User Initiated"
    assert "Later" not in {event.logical_id for event in events}


def test_service_that_is_not_steady_yet_is_cancelled(
    stacks: StackDriver, provider: Provider, ecs: Ecs
) -> None:
    never_healthy = {"Command": ["CMD-SHELL", "false"], "StartPeriod": 300}
    definition = task_definition("sleep 1000", HealthCheck=never_healthy)
    resources = {
        "Failing": provider.resource("Create"), "Definition": definition, "Service": service(ecs)
    }  # fmt: skip
    stack = begin_creation(stacks, "cancels-a-service", resources)
    eventually(lambda: "Service" in {event.logical_id for event in stacks.events(stack)})

    provider.answer(*provider.requests("Create", stack.id, "Failing"), status="FAILED")

    assert stacks.wait(stack.id).status == "ROLLBACK_COMPLETE"
    assert stacks.failures(stack)["Service"] == CANCELLED_CREATION
    assert ecs.api.list_services(cluster=ecs.name)["serviceArns"] == []
    assert ecs.api.list_tasks(cluster=ecs.name, desiredStatus="RUNNING")["taskArns"] == []


def test_change_set_is_executed_side_by_side(stacks: StackDriver, provider: Provider) -> None:
    cloudformation = stacks.aws.client("cloudformation")
    resources = {one: provider.resource("Create") for one in ("One", "Two")}
    names = {"StackName": "changes-together", "ChangeSetName": "first"}
    created = cloudformation.create_change_set(
        **names, ChangeSetType="CREATE", **stacks.request({"Resources": resources}, {})
    )
    cloudformation.execute_change_set(**names)

    requests = provider.requests("Create", created["StackId"], "One", "Two")
    provider.answer(*requests)

    assert stacks.wait(created["StackId"]).status == "CREATE_COMPLETE"
