"""The fleet's adapters: what they send to AWS and what they make of the answers."""

import io
import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from scale_workers.ecs_worker_tasks import EcsWorkerTasks
from scale_workers.ports import QueueDepth
from scale_workers.s3_current_revision import S3CurrentRevision
from scale_workers.sqs_work_queue import SqsWorkQueue
from shared.errors import AwsCallError
from shared.eventbridge_tick import EventBridgeTick, TickTarget
from shared.fargate import TaskPlacement

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DEFINITIONS = "arn:aws:ecs:us-east-1:111122223333:task-definition/"
MISSING = "ResourceNotFoundException"


@pytest.fixture
def stub():
    stubbers = []

    def make(service):
        client = boto3.client(service, region_name="us-east-1")
        stubber = Stubber(client)
        stubber.activate()
        stubbers.append(stubber)
        return client, stubber

    yield make
    for stubber in stubbers:
        stubber.assert_no_pending_responses()


@pytest.fixture
def ecs(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    return EcsWorkerTasks(client, placement, f"{DEFINITIONS}airflow-worker:7"), stubber


def task(name, **changes):
    return {
        "taskArn": name,
        "taskDefinitionArn": f"{DEFINITIONS}airflow-worker:7",
        "lastStatus": "RUNNING",
        "startedAt": NOW,
    } | changes


def stub_listing(stubber, desired_status, *pages):
    for number, tasks in enumerate(pages, 1):
        more = {"nextToken": str(number)} if number < len(pages) else {}
        token = {"nextToken": str(number - 1)} if number > 1 else {}
        arns = [each["taskArn"] for each in tasks]
        stubber.add_response(
            "list_tasks",
            {"taskArns": arns, **more},
            {
                "cluster": "cluster",
                "family": "airflow-worker",
                "desiredStatus": desired_status,
                "maxResults": 100,
                **token,
            },
        )
        if arns:
            stubber.add_response(
                "describe_tasks", {"tasks": tasks}, {"cluster": "cluster", "tasks": arns}
            )


def stub_launch(stubber, count, token, response):
    stubber.add_response(
        "run_task",
        response,
        {
            "cluster": "cluster",
            "taskDefinition": "airflow-worker:7",
            "launchType": "FARGATE",
            "count": count,
            "networkConfiguration": ANY,
            "propagateTags": "TASK_DEFINITION",
            "enableExecuteCommand": True,
            "clientToken": token,
        },
    )


def test_reads_all_three_counts_when_asked_for_the_depth(stub):
    client, stubber = stub("sqs")
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    stubber.add_response(
        "get_queue_attributes",
        {"Attributes": dict(zip(names, ["3", "2", "1"], strict=True))},
        {"QueueUrl": "url", "AttributeNames": names},
    )
    assert SqsWorkQueue(client, "url").depth() == QueueDepth(visible=3, in_flight=2, delayed=1)


def test_lists_the_workers_of_all_pages_and_revisions_when_asked_for_active_ones(ecs):
    workers, stubber = ecs
    pending = task("c", lastStatus="PENDING", taskDefinitionArn=f"{DEFINITIONS}airflow-worker:8")
    del pending["startedAt"]
    stub_listing(stubber, "RUNNING", [task("a"), task("b")], [pending])
    assert [(each.arn, each.revision, each.started_at) for each in workers.active()] == [
        ("a", "airflow-worker:7", NOW),
        ("b", "airflow-worker:7", NOW),
        ("c", "airflow-worker:8", None),
    ]


def test_describes_nothing_when_there_are_no_workers(ecs):
    workers, stubber = ecs
    stub_listing(stubber, "RUNNING", [])
    assert workers.active() == []


def test_counts_a_stopping_worker_as_remaining_when_it_has_not_stopped_yet(ecs):
    workers, stubber = ecs
    stub_listing(stubber, "RUNNING", [task("a")])
    stub_listing(
        stubber,
        "STOPPED",
        [task("b", lastStatus="DEPROVISIONING"), task("c", lastStatus="STOPPED")],
    )
    assert workers.remaining() == ["a", "b"]


def test_launches_in_batches_of_ten_when_more_are_wanted(ecs):
    workers, stubber = ecs
    stub_launch(stubber, 10, "token-0", {"tasks": [{"taskArn": str(n)} for n in range(10)]})
    stub_launch(stubber, 3, "token-1", {"tasks": [{"taskArn": str(n)} for n in range(10, 13)]})
    result = workers.launch(13, "airflow-worker:7", "token")
    assert len(result.started) == 13
    assert result.failures == []


def test_tells_started_and_failed_when_ecs_starts_a_part(ecs):
    workers, stubber = ecs
    stub_launch(
        stubber,
        2,
        "token-0",
        {"tasks": [{"taskArn": "a"}], "failures": [{"reason": "Capacity is unavailable."}]},
    )
    result = workers.launch(2, "airflow-worker:7", "token")
    assert (result.started, result.failures) == (["a"], ["Capacity is unavailable."])


def test_keeps_what_was_started_when_a_later_batch_is_refused(ecs):
    workers, stubber = ecs
    stub_launch(stubber, 10, "token-0", {"tasks": [{"taskArn": str(n)} for n in range(10)]})
    stubber.add_client_error("run_task", "ThrottlingException", "Rate exceeded")
    result = workers.launch(30, "airflow-worker:7", "token")
    assert len(result.started) == 10
    assert result.failures == ["Could not start workers: ThrottlingException: Rate exceeded"]


def test_leaves_it_to_the_other_when_another_look_launches_at_this_moment(ecs):
    workers, stubber = ecs
    stubber.add_client_error("run_task", "ConflictException")
    result = workers.launch(2, "airflow-worker:7", "token")
    assert (result.started, result.failures) == ([], [])


def test_is_content_when_a_worker_to_stop_is_forgotten(ecs):
    workers, stubber = ecs
    stubber.add_response("stop_task", {}, {"cluster": "cluster", "task": "a", "reason": "The end"})
    stubber.add_client_error("stop_task", "InvalidParameterException", "task was not found.")
    workers.stop("a", "The end")
    workers.stop("a", "The end")


def test_raises_when_a_worker_cannot_be_stopped(ecs):
    workers, stubber = ecs
    stubber.add_client_error("stop_task", "AccessDeniedException")
    with pytest.raises(AwsCallError, match="Could not stop a worker"):
        workers.stop("a", "The end")


def test_reads_the_revision_when_it_was_written(stub):
    client, stubber = stub("s3")
    revision = S3CurrentRevision(client, "state")
    body = b'{"current": "airflow-worker:7"}'
    place = {"Bucket": "state", "Key": "fleet/drain.json"}
    stubber.add_response("put_object", {}, {**place, "Body": body})
    stubber.add_response("get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))}, place)
    revision.set("airflow-worker:7")
    assert revision.get() == "airflow-worker:7"


def test_knows_no_revision_when_none_was_written(stub):
    client, stubber = stub("s3")
    stubber.add_client_error("get_object", "NoSuchKey")
    assert S3CurrentRevision(client, "state").get() is None


@pytest.fixture
def tick(stub):
    client, stubber = stub("scheduler")
    target = TickTarget("tick", "group", "arn:function", "arn:role")
    return EventBridgeTick(client, target, lambda: NOW), stubber


SCHEDULE = {
    "Name": "tick",
    "GroupName": "group",
    "ScheduleExpression": "at(2026-03-01T12:01:00)",
    "ScheduleExpressionTimezone": "UTC",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "ActionAfterCompletion": "DELETE",
    "Target": {
        "Arn": "arn:function",
        "RoleArn": "arn:role",
        "Input": json.dumps({"source": "tick"}),
        "RetryPolicy": {"MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 300},
    },
}
DONE = {"ScheduleArn": "arn:schedule"}


def test_makes_a_one_off_schedule_in_a_minute_when_there_is_none(tick):
    schedule, stubber = tick
    stubber.add_response("create_schedule", DONE, SCHEDULE)
    schedule.ensure()


def test_leaves_the_schedule_alone_when_it_is_ahead(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_response("get_schedule", {"ScheduleExpression": "at(2026-03-01T12:00:40)"})
    schedule.ensure()


def test_moves_the_schedule_when_it_has_fired_and_is_not_removed_yet(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_response("get_schedule", {"ScheduleExpression": "at(2026-03-01T12:00:00)"})
    stubber.add_response("update_schedule", DONE, SCHEDULE)
    schedule.ensure()


def test_makes_a_schedule_when_the_other_disappears_meanwhile(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_client_error("get_schedule", MISSING)
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_response("get_schedule", {"ScheduleExpression": "at(2026-03-01T11:59:00)"})
    stubber.add_client_error("update_schedule", MISSING)
    stubber.add_response("create_schedule", DONE, SCHEDULE)
    schedule.ensure()


def test_cancels_when_there_is_a_schedule_and_when_there_is_none(tick):
    schedule, stubber = tick
    place = {"Name": "tick", "GroupName": "group"}
    stubber.add_response("delete_schedule", {}, place)
    stubber.add_client_error("delete_schedule", MISSING)
    schedule.cancel()
    schedule.cancel()


def test_raises_when_the_schedule_cannot_be_made(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "AccessDeniedException")
    with pytest.raises(AwsCallError, match="Could not create the tick"):
        schedule.ensure()
