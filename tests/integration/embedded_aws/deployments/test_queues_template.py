"""The queues of nested/broker.yaml and their alarms: the very templates, looped over names."""

from pathlib import Path

from ..stack_driver import EXECUTION_ROLE, StackDriver

NESTED = Path(__file__).parents[4] / "nested"
BROKER = (NESTED / "broker.yaml").read_text()
ALARMS = (NESTED / "queue-alarms.yaml").read_text()


def queues(stacks: StackDriver, name: str) -> set[str]:
    urls = stacks.aws.client("sqs").list_queues().get("QueueUrls", [])
    names = {url.rpartition("/")[2] for url in urls}
    return {each.removeprefix(f"{name}-queue-") for each in names if each.startswith(f"{name}-q")}


def test_queues_are_created_and_deleted_by_name(
    stacks: StackDriver,
) -> None:
    name = "a-broker"
    stack = stacks.create(BROKER, RootStackName=name, ExtraQueueNames="none")
    default = stack.outputs["WorkerQueueUrl"]
    assert queues(stacks, name) == set()

    stack = stacks.update(stack, BROKER, RootStackName=name, ExtraQueueNames="heavy,gpu-1")
    assert queues(stacks, name) == {"heavy", "gpu-1"}
    # Where the image and the scaler look for it.
    place = default.rpartition("/")[0]
    attributes = stacks.aws.client("sqs").get_queue_attributes(
        QueueUrl=f"{place}/{name}-queue-gpu-1", AttributeNames=["All"]
    )["Attributes"]
    assert attributes["VisibilityTimeout"] == "43200"

    stack = stacks.update(stack, BROKER, RootStackName=name, ExtraQueueNames="gpu-1")
    assert queues(stacks, name) == {"gpu-1"}
    assert stack.outputs["WorkerQueueUrl"] == default


def test_every_queue_has_an_alarm_that_may_call_the_function(stacks: StackDriver) -> None:
    function = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "Function": stacks.function("def handler(event, context): pass"),
            },
            "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}}},
        }
    )
    arn = function.outputs["Arn"]
    stacks.create(
        ALARMS, RootStackName="an-alarm", ExtraQueueNames="heavy,gpu-1", ScaleWorkersFunctionArn=arn
    )
    alarms = stacks.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="an-alarm-queue-")
    found = {alarm["Dimensions"][0]["Value"]: alarm for alarm in alarms["MetricAlarms"]}
    assert set(found) == {"an-alarm-queue-heavy", "an-alarm-queue-gpu-1"}
    assert found["an-alarm-queue-heavy"]["AlarmActions"] == [arn]
    policy = stacks.aws.client("lambda").get_policy(FunctionName=arn)["Policy"]
    assert all(alarm["AlarmArn"] in policy for alarm in found.values())
