"""The fleets' adapters: their requests to AWS and how they read the answers."""

import io
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from scale_workers.aws.ecs_worker_tasks import EcsWorkerTasks
from scale_workers.aws.s3_current_revision import S3CurrentRevision
from scale_workers.aws.s3_fleet_state import S3FleetState, S3Forecasts
from scale_workers.aws.s3_queue_counts import S3QueueCounts
from scale_workers.aws.sqs_work_queue import SqsWorkQueue
from scale_workers.fleet_state import FleetState, Launch
from scale_workers.foresight import NO_FORECAST, DueRun, Forecast
from scale_workers.ports import QueueDepth, StateConflictError
from shared.aws.eventbridge_tick import EventBridgeTick
from shared.errors import AwsCallError
from shared.fargate import TaskPlacement
from shared.tick import TickTarget
from shared.worker_fleets import WorkerSize

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
DEFINITIONS = "arn:aws:ecs:us-east-1:111122223333:task-definition/"
MISSING = "ResourceNotFoundException"
# The overrides that every worker gets.
IDLE = {
    "containerOverrides": [
        {
            "name": "worker",
            "environment": [{"name": "WORKER_IDLE_TIMEOUT_SECONDS", "value": "20"}],
        }
    ]
}


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
        "createdAt": NOW,
        "startedAt": NOW,
    } | changes


def stub_listing(stubber, desired_status, *pages, filters=None):
    """A listing of the workers' family, or one with other filters."""
    filters = {"family": "airflow-worker"} if filters is None else filters
    for number, tasks in enumerate(pages, 1):
        more = {"nextToken": str(number)} if number < len(pages) else {}
        token = {"nextToken": str(number - 1)} if number > 1 else {}
        arns = [each["taskArn"] for each in tasks]
        stubber.add_response(
            "list_tasks",
            {"taskArns": arns, **more},
            {
                "cluster": "cluster",
                "desiredStatus": desired_status,
                "maxResults": 100,
                **filters,
                **token,
            },
        )
        if arns:
            stubber.add_response(
                "describe_tasks", {"tasks": tasks}, {"cluster": "cluster", "tasks": arns}
            )


def stub_launch(stubber, count, token, response, ecs_exec=False):
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
            "enableECSManagedTags": True,
            "enableExecuteCommand": ecs_exec,
            "clientToken": token,
            "startedBy": "default",
            "overrides": IDLE,
        },
    )


def test_depth_has_all_three_counts(stub):
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


def test_lists_active_workers_of_all_pages_and_revisions(ecs):
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
    stub_listing(stubber, "RUNNING", [task("a")], filters={})
    stub_listing(
        stubber,
        "STOPPED",
        [task("b", lastStatus="DEPROVISIONING"), task("c", lastStatus="STOPPED")],
        filters={},
    )
    assert workers.remaining() == ["a", "b"]


def test_counts_tasks_of_executors_and_operators_as_remaining_but_no_service_or_command(ecs):
    workers, stubber = ecs

    def of(arn, family, **more):
        return task(arn, taskDefinitionArn=f"arn:aws:ecs:r:1:task-definition/{family}:1", **more)

    running = [
        of("executor", "airflow-executor-geo", startedBy="EcsExecutor"),
        of("operator", "reports", group="family:reports"),
        of("service", "airflow-scheduler", group="service:scheduler"),
        of("command", "airflow-command", group="family:airflow-command"),
    ]
    stub_listing(stubber, "RUNNING", running, filters={})
    stub_listing(stubber, "STOPPED", [], filters={})
    assert workers.remaining() == ["executor", "operator"]


def test_tasks_in_the_cluster_of_operators_remain_and_are_stopped_there(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    workers = EcsWorkerTasks(
        client, placement, f"{DEFINITIONS}airflow-worker:7", operator_cluster="operators"
    )
    arn = "arn:aws:ecs:r:1:task/operators/1"
    for cluster, arns in (("cluster", []), ("operators", [arn])):
        for status in ("RUNNING", "STOPPED"):
            found = arns if status == "RUNNING" else []
            asked = {"cluster": cluster, "desiredStatus": status, "maxResults": 100}
            stubber.add_response("list_tasks", {"taskArns": found}, asked)
            if found:
                stubber.add_response("describe_tasks", {"tasks": [task(arn)]})
    stubber.add_response(
        "stop_task", {}, {"cluster": "operators", "task": arn, "reason": "The end"}
    )
    assert workers.remaining() == [arn]
    workers.stop(arn, "The end")


def test_counts_no_task_of_the_ecs_executor_as_a_worker(ecs):
    workers, stubber = ecs
    stub_listing(stubber, "RUNNING", [task("a"), task("b", startedBy="EcsExecutor")])
    assert [worker.arn for worker in workers.active()] == ["a"]


def test_launches_in_batches_of_ten_when_more_are_wanted(ecs):
    workers, stubber = ecs
    stub_launch(stubber, 10, "token-0", {"tasks": [{"taskArn": str(n)} for n in range(10)]})
    stub_launch(stubber, 3, "token-1", {"tasks": [{"taskArn": str(n)} for n in range(10, 13)]})
    result = workers.launch(Launch("token", 13, at=0.0), "airflow-worker:7")
    assert len(result.started) == 13
    assert result.failures == []


def test_returns_started_and_failed_workers_when_ecs_starts_some(ecs):
    workers, stubber = ecs
    stub_launch(
        stubber,
        2,
        "token-0",
        {"tasks": [{"taskArn": "a"}], "failures": [{"reason": "Capacity is unavailable."}]},
    )
    result = workers.launch(Launch("token", 2, at=0.0), "airflow-worker:7")
    assert (result.started, result.failures) == (["a"], ["Capacity is unavailable."])


def test_keeps_what_was_started_when_a_later_batch_is_refused(ecs):
    workers, stubber = ecs
    stub_launch(stubber, 10, "token-0", {"tasks": [{"taskArn": str(n)} for n in range(10)]})
    stubber.add_client_error("run_task", "ThrottlingException", "Rate exceeded")
    result = workers.launch(Launch("token", 30, at=0.0), "airflow-worker:7")
    assert len(result.started) == 10
    assert result.failures == ["Could not start workers: ThrottlingException: Rate exceeded"]


def test_repeats_a_launch_while_the_roles_cannot_be_assumed(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    waits = []
    definition = f"{DEFINITIONS}airflow-worker:7"
    workers = EcsWorkerTasks(client, placement, definition, sleep=waits.append)
    unable = "ECS was unable to assume the role 'arn' that was provided for this task."
    stubber.add_client_error("run_task", "ClientException", unable)
    stub_launch(stubber, 1, "token-0", {"tasks": [{"taskArn": "a"}]})
    assert workers.launch(Launch("token", 1, at=0.0), "airflow-worker:7").started == ["a"]
    assert waits == [5]


def test_starts_workers_with_a_shell_only_where_it_is_allowed(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    definition = f"{DEFINITIONS}airflow-worker:7"
    workers = EcsWorkerTasks(client, placement, definition, ecs_exec=True)
    stub_launch(stubber, 1, "token-0", {"tasks": [{"taskArn": "a"}]}, ecs_exec=True)
    assert workers.launch(Launch("token", 1, at=0.0), "airflow-worker:7").started == ["a"]


def test_gives_up_a_launch_after_half_a_minute_when_it_is_denied(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    waits = []
    definition = f"{DEFINITIONS}airflow-worker:7"
    workers = EcsWorkerTasks(client, placement, definition, sleep=waits.append)
    for _ in range(4):
        stubber.add_client_error("run_task", "AccessDeniedException", "You may not.")
    result = workers.launch(Launch("token", 1, at=0.0), "airflow-worker:7")
    assert result.failures == ["Could not start workers: AccessDeniedException: You may not."]
    assert waits == [5, 10, 15]


def test_starts_nothing_when_another_call_launches_at_this_moment(ecs):
    workers, stubber = ecs
    stubber.add_client_error("run_task", "ConflictException")
    result = workers.launch(Launch("token", 2, at=0.0), "airflow-worker:7")
    assert (result.started, result.failures) == ([], [])


def test_uses_only_spot_when_a_launch_is_on_spot(ecs):
    workers, stubber = ecs
    failures = [{"reason": "Capacity is unavailable at this time. Please try again later"}]
    stubber.add_response(
        "run_task",
        {"tasks": [{"taskArn": "a"}], "failures": failures},
        {
            **dict.fromkeys(("cluster", "networkConfiguration", "clientToken"), ANY),
            "taskDefinition": "airflow-worker:7",
            "count": 2,
            "propagateTags": "TASK_DEFINITION",
            "enableECSManagedTags": True,
            "enableExecuteCommand": False,
            "startedBy": "default",
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
            "overrides": IDLE,
        },
    )
    result = workers.launch(Launch("token", 2, at=0.0, on_spot=True), "airflow-worker:7")
    assert (list(result.started), result.spot_refused) == (["a"], True)


def test_passes_the_waits_of_a_worker_that_is_early_or_fills_the_minimum(ecs):
    workers, stubber = ecs
    values = {"WORKER_FIRST_TASK_SECONDS": "80", "WORKER_IDLE_TIMEOUT_SECONDS": "21600"}
    environment = [{"name": name, "value": value} for name, value in values.items()]
    names = ("cluster", "networkConfiguration", "clientToken", "taskDefinition", "count",
             "propagateTags", "enableECSManagedTags",
             "enableExecuteCommand", "launchType", "startedBy")  # fmt: skip
    override = {"containerOverrides": [{"name": "worker", "environment": environment}]}
    expected = dict.fromkeys(names, ANY) | {"overrides": override}
    stubber.add_response("run_task", {"tasks": [{"taskArn": "a"}]}, expected)
    workers.launch(Launch("token", 1, 0.0, patience=80, standing=True), "airflow-worker:7")


@pytest.fixture
def heavy(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    size = WorkerSize(4096, 16384, 2)
    definition = f"{DEFINITIONS}airflow-worker:7"
    return EcsWorkerTasks(client, placement, definition, "heavy", size, 45), stubber


SAID = [
    {"name": "WORKER_IDLE_TIMEOUT_SECONDS", "value": "45"},
    {"name": "AIRFLOW__CELERY__WORKER_CONCURRENCY", "value": "2"},
    {"name": "WORKER_SIZE", "value": "4096/16384/2"},
]
HEAVY = {
    "cpu": "4096",
    "memory": "16384",
    "containerOverrides": [
        {
            "name": "worker",
            "command": ["celery", "worker", "--queues", "heavy"],
            "environment": SAID,
        }
    ],
}


def test_passes_the_fleets_queue_and_size(heavy):
    workers, stubber = heavy
    names = ("cluster", "networkConfiguration", "clientToken", "taskDefinition", "count",
             "propagateTags", "enableECSManagedTags",
             "enableExecuteCommand", "launchType")  # fmt: skip
    expected = dict.fromkeys(names, ANY) | {"startedBy": "heavy", "overrides": HEAVY}
    stubber.add_response("run_task", {"tasks": [{"taskArn": "a"}]}, expected)
    workers.launch(Launch("token", 1, 0.0), "airflow-worker:7")


def test_passes_only_the_size_when_the_default_fleet_has_one(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    definition = f"{DEFINITIONS}airflow-worker:7"
    workers = EcsWorkerTasks(client, placement, definition, size=WorkerSize(1024, 8192, 8))
    names = ("cluster", "networkConfiguration", "clientToken", "taskDefinition", "count",
             "propagateTags", "enableECSManagedTags",
             "enableExecuteCommand", "launchType")  # fmt: skip
    said = [
        {"name": "WORKER_IDLE_TIMEOUT_SECONDS", "value": "20"},
        {"name": "AIRFLOW__CELERY__WORKER_CONCURRENCY", "value": "8"},
        {"name": "WORKER_SIZE", "value": "1024/8192/8"},
    ]
    override = {
        "containerOverrides": [{"name": "worker", "environment": said}],
        "cpu": "1024",
        "memory": "8192",
    }
    expected = dict.fromkeys(names, ANY) | {"startedBy": "default", "overrides": override}
    stubber.add_response("run_task", {"tasks": [{"taskArn": "a"}]}, expected)
    workers.launch(Launch("token", 1, 0.0), "airflow-worker:7")


def test_lists_only_its_own_workers_when_there_are_several_fleets(ecs, heavy):
    tasks = [
        task("by-hand"),
        task("default", startedBy="default"),
        task("heavy", startedBy="heavy", overrides=HEAVY),
        task("gpu", startedBy="gpu"),
    ]
    for (workers, stubber), expected in ((ecs, ["by-hand", "default"]), (heavy, ["heavy"])):
        stub_listing(stubber, "RUNNING", tasks)
        assert [each.arn for each in workers.active()] == expected


def test_lists_which_workers_are_outdated_unhealthy_or_standing(heavy):
    workers, stubber = heavy
    smaller = [{"name": "WORKER_SIZE", "value": "2048/16384/2"}]
    small = {"containerOverrides": [{"name": "worker", "environment": smaller}]}
    idle = [{"name": "WORKER_IDLE_TIMEOUT_SECONDS", "value": "21600"}, *SAID[1:]]
    waits = {**HEAVY, "containerOverrides": [{"name": "worker", "environment": idle}]}
    tasks = [
        task("fit", startedBy="heavy", overrides=HEAVY, healthStatus="HEALTHY"),
        task("small", startedBy="heavy", overrides=small),
        task("bare", startedBy="heavy", overrides={}),
        task("hangs", startedBy="heavy", overrides=HEAVY, healthStatus="UNHEALTHY"),
        task("waits", startedBy="heavy", overrides=waits),
    ]
    stub_listing(stubber, "RUNNING", tasks)
    seen = workers.active()
    assert [each.arn for each in seen if each.outdated] == ["small", "bare"]
    assert [each.arn for each in seen if each.unhealthy] == ["hangs"]
    assert [each.arn for each in seen if each.standing] == ["waits"]


def test_ignores_that_a_worker_to_stop_no_longer_exists(ecs):
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


def test_returns_no_revision_when_none_was_written(stub):
    client, stubber = stub("s3")
    stubber.add_client_error("get_object", "NoSuchKey")
    assert S3CurrentRevision(client, "state").get() is None


ORDERS = {"current": "airflow-worker:7", "drain": {"default": ["b"], "heavy": ["c"]}}


def test_names_a_fleets_workers_to_drain_and_keeps_those_of_other_fleets(stub):
    client, stubber = stub("s3")
    named = {**ORDERS, "drain": {"default": ["a", "b"], "heavy": ["c"]}}
    stubber.add_response("get_object", stored(ORDERS))
    stubber.add_response(
        "put_object",
        {},
        {
            "Bucket": "state",
            "Key": "fleet/drain.json",
            "Body": json.dumps(named).encode(),
            "IfMatch": '"1"',
        },
    )
    S3CurrentRevision(client, "state").drain("default", ["b", "a"])


def test_writes_nothing_when_the_workers_are_already_named(stub):
    client, stubber = stub("s3")
    stubber.add_response("get_object", stored(ORDERS))
    S3CurrentRevision(client, "state").drain("heavy", ["c"])


def test_names_no_worker_before_the_first_deployment(stub):
    client, stubber = stub("s3")
    stubber.add_client_error("get_object", "NoSuchKey")
    S3CurrentRevision(client, "state").drain("heavy", ["c"])


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_leaves_it_to_the_next_check_when_a_deployment_wrote_first(stub, code):
    client, stubber = stub("s3")
    stubber.add_response("get_object", stored(ORDERS))
    stubber.add_client_error("put_object", code)
    S3CurrentRevision(client, "state").drain("heavy", ["d"])


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
IN_A_MINUTE = NOW + timedelta(seconds=60)


def test_creates_a_one_off_schedule_when_there_is_none(tick):
    schedule, stubber = tick
    stubber.add_response("create_schedule", DONE, SCHEDULE)
    schedule.ensure(IN_A_MINUTE)


def test_leaves_the_schedule_alone_when_it_is_ahead(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_response("get_schedule", {"ScheduleExpression": "at(2026-03-01T12:00:40)"})
    schedule.ensure(IN_A_MINUTE)


def test_moves_the_schedule_when_it_would_come_too_late(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_response("get_schedule", {"ScheduleExpression": "at(2026-03-01T12:30:00)"})
    stubber.add_response("update_schedule", DONE, SCHEDULE)
    schedule.ensure(IN_A_MINUTE)


def test_moves_the_schedule_when_it_has_fired_and_is_not_removed_yet(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_response("get_schedule", {"ScheduleExpression": "at(2026-03-01T12:00:00)"})
    stubber.add_response("update_schedule", DONE, SCHEDULE)
    schedule.ensure(IN_A_MINUTE)


def test_creates_a_schedule_when_the_other_disappears_in_the_meantime(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_client_error("get_schedule", MISSING)
    stubber.add_client_error("create_schedule", "ConflictException")
    stubber.add_response("get_schedule", {"ScheduleExpression": "at(2026-03-01T11:59:00)"})
    stubber.add_client_error("update_schedule", MISSING)
    stubber.add_response("create_schedule", DONE, SCHEDULE)
    schedule.ensure(IN_A_MINUTE)


def test_cancels_when_there_is_a_schedule_and_when_there_is_none(tick):
    schedule, stubber = tick
    place = {"Name": "tick", "GroupName": "group"}
    stubber.add_response("delete_schedule", {}, place)
    stubber.add_client_error("delete_schedule", MISSING)
    schedule.cancel()
    schedule.cancel()


def test_raises_when_the_schedule_cannot_be_created(tick):
    schedule, stubber = tick
    stubber.add_client_error("create_schedule", "AccessDeniedException")
    with pytest.raises(AwsCallError, match="Could not create the tick"):
        schedule.ensure(IN_A_MINUTE)


def stored(value):
    body = json.dumps(value).encode()
    return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ETag": '"1"'}


STATE = FleetState(
    paused=True,
    launches=(Launch("token", 2, 5.0, True, 80, arns=("a", "b")), Launch("other", 1, 6.0)),
    announced=((1.0, 3),),
    launch_seconds=(60.0, 70.5),
    learned_until=4.0,
    deaths=(2.0,),
    spot_refused_at=3.0,
    idle_slots_since=9.0,
    told=("c",),
    unhealthy=(("d", 7.0),),
)


def test_state_survives_writing_and_reading(stub):
    client, stubber = stub("s3")
    place = {"Bucket": "state", "Key": "fleet/heavy/state.json"}
    body = json.dumps(STATE.to_json()).encode()
    stubber.add_client_error("get_object", "NoSuchKey")
    stubber.add_response("put_object", {"ETag": '"1"'}, {**place, "Body": body, "IfNoneMatch": "*"})
    stubber.add_response("get_object", stored(STATE.to_json()), place)
    stubber.add_response("put_object", {"ETag": '"2"'}, {**place, "Body": ANY, "IfMatch": '"1"'})
    states = S3FleetState(client, "state", "heavy")
    assert states.load() == (FleetState(), None)
    assert states.save(STATE, None) == '"1"'
    assert states.load() == (STATE, '"1"')
    assert states.save(FleetState(), '"1"') == '"2"'


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
def test_refuses_to_store_a_state_when_another_call_has(code, stub):
    client, stubber = stub("s3")
    stubber.add_client_error("put_object", code)
    with pytest.raises(StateConflictError):
        S3FleetState(client, "state", "heavy").save(FleetState(), '"1"')


@pytest.mark.parametrize("damage", [[], "text", {"launches": [{"no": "launch"}]}, {"deaths": 3}])
def test_replaces_a_damaged_state_by_an_empty_one(damage, stub):
    client, stubber = stub("s3")
    stubber.add_response("get_object", stored(damage))
    assert S3FleetState(client, "state", "heavy").load() == (FleetState(), '"1"')


def test_reads_the_forecast_when_there_is_one(stub):
    client, stubber = stub("s3")
    forecast = {
        "published_at": 5,
        "runs": [
            {"due": 65.0, "slots": 12},
            {"due": 66.0, "slots": 3, "queue": "default"},
            {"due": 67.0, "slots": 1, "queue": "heavy"},
        ],
    }
    stubber.add_response(
        "get_object", stored(forecast), {"Bucket": "state", "Key": "fleet/forecast.json"}
    )
    forecasts = S3Forecasts(client, "state", "default")
    assert forecasts.get() == Forecast(5.0, [DueRun(65.0, 12), DueRun(66.0, 3)])
    stubber.add_response("get_object", stored(forecast))
    assert S3Forecasts(client, "state", "heavy").get() == Forecast(5.0, [DueRun(67.0, 1)])


@pytest.mark.parametrize(
    "damage", [[], {}, {"published_at": 1, "runs": [{"due": 1}]},
               {"published_at": 1, "runs": [{"due": 1, "slots": -1}]}]
)  # fmt: skip
def test_forecast_is_empty_when_it_is_damaged_or_missing(damage, stub):
    client, stubber = stub("s3")
    stubber.add_response("get_object", stored(damage))
    stubber.add_client_error("get_object", "NoSuchKey")
    assert S3Forecasts(client, "state", "default").get() == NO_FORECAST
    assert S3Forecasts(client, "state", "default").get() == NO_FORECAST


def test_worker_of_an_isolated_queue_gets_the_role_and_the_secrets_of_its_queue(stub):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    workers = EcsWorkerTasks(
        client, placement, f"{DEFINITIONS}airflow-worker:7", "team-a", task_role_arn="role-a"
    )
    expected = {
        "cluster": "cluster", "taskDefinition": "airflow-worker:7", "launchType": "FARGATE",
        "count": 1, "networkConfiguration": ANY, "propagateTags": "TASK_DEFINITION",
        "enableECSManagedTags": True,
        "enableExecuteCommand": False, "clientToken": "token-0", "startedBy": "team-a",
        "overrides": {
            "containerOverrides": [
                {
                    "name": "worker",
                    "command": ["celery", "worker", "--queues", "team-a"],
                    "environment": [
                        {"name": "WORKER_IDLE_TIMEOUT_SECONDS", "value": "20"},
                        {"name": "WORKER_SECRETS_OF_QUEUE", "value": "team-a"},
                    ],
                }
            ],
            "taskRoleArn": "role-a",
        },
    }  # fmt: skip
    stubber.add_response("run_task", {"tasks": [{"taskArn": "a"}]}, expected)
    assert workers.launch(Launch("token", 1, at=0.0), "airflow-worker:7").started == ["a"]


@pytest.mark.parametrize("own", [None, "role-a"])
def test_worker_with_another_role_than_its_fleets_is_outdated(stub, own):
    client, stubber = stub("ecs")
    placement = TaskPlacement("cluster", ("subnet-1",), ("sg-1",), "ENABLED")
    definition = f"{DEFINITIONS}airflow-worker:7"
    workers = EcsWorkerTasks(client, placement, definition, task_role_arn=own)
    tasks = [
        task("with", overrides={"taskRoleArn": "role-a"}),
        task("without", overrides={"containerOverrides": []}),
        task("other", overrides={"taskRoleArn": "role-b"}),
    ]
    stub_listing(stubber, "RUNNING", tasks)
    current = "with" if own else "without"
    assert {each.arn for each in workers.active() if not each.outdated} == {current}


def counted(stub, body=None, now=NOW, code=None):
    """The depth of the queue `heavy`, read from an object with this body."""
    client, stubber = stub("s3")
    if code:
        stubber.add_client_error("get_object", code)
    else:
        stream = StreamingBody(io.BytesIO(body), len(body))
        expected = {"Bucket": "state", "Key": "fleet/queue-counts.json"}
        stubber.add_response("get_object", {"Body": stream}, expected)
    return S3QueueCounts(client, "state", "heavy", lambda: now).depth()


def counts_of(moment):
    queues = {"heavy": {"waiting": 4, "held": 2}, "default": {"waiting": 9, "held": 9}}
    return json.dumps({"counted_at": moment.timestamp(), "queues": queues}).encode()


def test_depth_is_what_the_scheduler_has_counted_in_valkey(stub):
    assert counted(stub, counts_of(NOW - timedelta(seconds=100))) == QueueDepth(4, 2, 0)


def test_old_or_missing_counts_are_zero(stub):
    assert counted(stub, counts_of(NOW - timedelta(minutes=6))) == QueueDepth(0, 0, 0)
    assert counted(stub, b"not JSON") == QueueDepth(0, 0, 0)
    assert counted(stub, code="NoSuchKey") == QueueDepth(0, 0, 0)


def test_counts_that_cannot_be_read_are_an_error(stub):
    with pytest.raises(AwsCallError, match="Could not read the counts of the queues"):
        counted(stub, code="AccessDenied")
