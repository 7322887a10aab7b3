"""The queues of nested/queues.yaml and their alarms in nested/fleet.yaml: the very templates."""

from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from ..stack_driver import EXECUTION_ROLE, StackDriver

NESTED = Path(__file__).parents[4] / "nested"
QUEUES = (NESTED / "queues.yaml").read_text()


def queues(stacks: StackDriver, name: str) -> set[str]:
    urls = stacks.aws.client("sqs").list_queues().get("QueueUrls", [])
    names = {url.rpartition("/")[2] for url in urls}
    return {each.removeprefix(f"{name}-queue-") for each in names if each.startswith(f"{name}-q")}


def alarms_template(function: dict[str, Any]) -> dict[str, Any]:
    """The alarms of the fleet and their permission, with another function."""
    fleet = cfn_yaml.load(str(NESTED / "fleet.yaml"))
    wanted = {
        name: {key: value for key, value in resource.items() if key != "DependsOn"}
        for name, resource in fleet["Resources"].items()
        if name.startswith("Queued")
    }
    names = ("RootStackName", "WorkerQueueNames", "WorkerQueueUrl")
    conditions = fleet["Conditions"]
    return {
        "Parameters": {name: fleet["Parameters"][name] for name in names},
        "Conditions": {
            name: conditions[name] for name in conditions if "Queue" in name or name == "HasSqs"
        },
        "Resources": {**wanted, "Role": EXECUTION_ROLE, "ScaleWorkersFunction": function},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["ScaleWorkersFunction", "Arn"]}}},
    }


def test_queues_are_created_and_deleted_by_their_places(stacks: StackDriver) -> None:
    name = "a-broker"
    topic = stacks.aws.client("sns").create_topic(Name=name)["TopicArn"]
    given = {"RootStackName": name, "NotificationTopicArn": topic, "KmsKeyArn": ""}
    stack = stacks.create(QUEUES, **given, WorkerQueueNames="")
    default = stack.outputs["WorkerQueueUrl"]
    assert default.endswith(f"/{name}-queue-default")
    assert queues(stacks, name) == {"default"}

    stack = stacks.update(stack, QUEUES, **given, WorkerQueueNames="heavy,gpu-1")
    assert queues(stacks, name) == {"default", "heavy", "gpu-1"}
    # Where the image and the scaler look for it.
    place = default.rpartition("/")[0]
    attributes = stacks.aws.client("sqs").get_queue_attributes(
        QueueUrl=f"{place}/{name}-queue-gpu-1", AttributeNames=["All"]
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == "43200"

    stack = stacks.update(stack, QUEUES, **given, WorkerQueueNames=",gpu-1")
    assert queues(stacks, name) == {"default", "gpu-1"}
    assert stack.outputs["WorkerQueueUrl"] == default


def test_every_queue_has_an_alarm_that_may_call_the_function(stacks: StackDriver) -> None:
    template = alarms_template(stacks.function("def handler(event, context): pass"))
    url = "https://sqs.us-east-1.amazonaws.com/000000000000/an-alarm-queue-default"
    stack = stacks.create(
        template, RootStackName="an-alarm", WorkerQueueNames="heavy,,gpu-1", WorkerQueueUrl=url
    )

    arn = stack.outputs["Arn"]
    alarms = stacks.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="an-alarm-queued-")
    found = {alarm["Dimensions"][0]["Value"]: alarm for alarm in alarms["MetricAlarms"]}
    assert set(found) == {f"an-alarm-queue-{name}" for name in ("default", "heavy", "gpu-1")}
    assert all(alarm["AlarmActions"] == [arn] for alarm in found.values())
    policy = stacks.aws.client("lambda").get_policy(FunctionName=arn)["Policy"]
    assert ":alarm:an-alarm-queued-*" in policy
