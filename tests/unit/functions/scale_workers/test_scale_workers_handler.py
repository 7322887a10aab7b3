"""The handler of scale_workers, with each of its sample events."""

import io
import json
import os
from datetime import UTC, datetime

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY

from scale_workers.all_fleets import UnknownQueueError
from scale_workers.handler import handler
from scale_workers.queue_fleet import UNHEALTHY
from scale_workers.settings import ScaleWorkersSettings
from shared.observability import UnknownEventError
from shared.settings import SettingError
from shared.worker_fleets import WorkerFleetsError, WorkerSize

FAMILY = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-worker"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    for name, value in {
        "CLUSTER_ARN": "arn:aws:ecs:us-east-1:111122223333:cluster/airflow",
        "WORKER_TASK_DEFINITION_ARN": f"{FAMILY}:7",
        "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/airflow-queue-default",
        "SUBNET_IDS": "subnet-1,subnet-2",
        "SECURITY_GROUP_IDS": "sg-1",
        "ASSIGN_PUBLIC_IP": "ENABLED",
        "WORKER_SIZE": "1024/4096/8",
        "WORKER_MAX_COUNT": "10",
        "WORKER_AHEAD_MAX_COUNT": "0",
        "TICK_SCHEDULE_NAME": "tick",
        "TICK_SCHEDULE_GROUP_NAME": "group",
        "TICK_ROLE_ARN": "arn:aws:iam::111122223333:role/tick",
        "STATE_BUCKET_NAME": "state",
        "WORKER_QUEUE_NAMES": "",
        "WORKER_FLEETS": "{}",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def call(sample_event, context):
    return lambda name: handler(sample_event(f"scale_workers/{name}"), context)


class World:
    """The answers of AWS, in the order of a check's requests."""

    def __init__(self, stubbed):
        self.s3, self.ecs = stubbed("s3"), stubbed("ecs")
        self.sqs, self.scheduler = stubbed("sqs"), stubbed("scheduler")

    def revision(self, revision, state=None):
        """The current revision and the stored state."""
        self.reads({"current": revision})
        if state:
            self.reads(state)
        elif revision != "none":
            self.s3.add_client_error("get_object", "NoSuchKey")

    def reads(self, value):
        body = json.dumps(value).encode()
        response = {"Body": StreamingBody(io.BytesIO(body), len(body)), "ETag": '"1"'}
        self.s3.add_response("get_object", response)

    def remembers(self, times=1):
        for _ in range(times):
            self.s3.add_response("put_object", {"ETag": '"1"'})

    def deploys(self, revision):
        self.s3.add_response(
            "put_object",
            {},
            {
                "Bucket": "state",
                "Key": "fleet/drain.json",
                "Body": json.dumps({"current": revision}).encode(),
            },
        )

    def workers(
        self, *revisions, desired_status="RUNNING", last_status="RUNNING", all_of_the_cluster=False
    ):
        filters = {} if all_of_the_cluster else {"family": "airflow-worker"}
        arns = [f"worker-{number}" for number in range(len(revisions))]
        self.ecs.add_response(
            "list_tasks",
            {"taskArns": arns},
            {
                "cluster": ANY,
                **filters,
                "desiredStatus": desired_status,
                "maxResults": 100,
            },
        )
        if arns:
            tasks = [
                {
                    "taskArn": arn,
                    "taskDefinitionArn": f"{FAMILY}:{revision}",
                    "createdAt": LONG_AGO,
                    "startedAt": LONG_AGO,
                    "lastStatus": last_status,
                }
                for arn, revision in zip(arns, revisions, strict=True)
            ]
            self.ecs.add_response("describe_tasks", {"tasks": tasks})

    def queue(self, visible=0, in_flight=0):
        counts = {"": visible, "NotVisible": in_flight, "Delayed": 0}
        attributes = {f"ApproximateNumberOfMessages{name}": str(n) for name, n in counts.items()}
        self.sqs.add_response("get_queue_attributes", {"Attributes": attributes})

    def launches(self, count, revision):
        self.remembers(2)
        names = ("cluster", "launchType", "networkConfiguration",
                 "propagateTags", "enableECSManagedTags",
                 "enableExecuteCommand", "clientToken", "startedBy", "overrides")  # fmt: skip
        self.ecs.add_response(
            "run_task",
            {"tasks": [{"taskArn": f"new-{number}"} for number in range(count)]},
            dict.fromkeys(names, ANY) | {"count": count, "taskDefinition": revision},
        )

    def ticks(self):
        self.scheduler.add_response("create_schedule", {"ScheduleArn": "arn:schedule"})

    def rests(self):
        self.scheduler.add_response("delete_schedule", {})


@pytest.fixture
def world(stubbed, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return World(stubbed)


@pytest.mark.parametrize("name", ["wake-up", "alarm", "tick", "worker-left", "direct"])
def test_starts_a_worker_when_messages_wait_and_there_is_none(name, call, world, log_lines):
    world.revision("airflow-worker:7")
    world.workers()
    world.queue(visible=3)
    world.launches(1, "airflow-worker:7")
    world.ticks()
    result = call(name)
    assert result["fleets"]["default"]["launched"] == 1
    assert json.loads(json.dumps(result)) == result
    assert '"WorkersLaunched":[1.0]' in log_lines()


@pytest.mark.parametrize("emits", [True, False])
def test_number_of_workers_is_a_metric_where_airflows_metrics_are_on(
    emits, call, world, log_lines, monkeypatch
):
    monkeypatch.setenv("EMIT_METRICS", str(emits).lower())
    world.revision("airflow-worker:7")
    world.workers()
    world.queue(visible=3)
    world.launches(1, "airflow-worker:7")
    world.ticks()
    call("tick")
    log = log_lines()

    assert ('"WorkersRunning":[0.0]' in log) is emits
    assert ('"WorkersStarting":[0.0]' in log) is emits


def test_starts_workers_for_reported_messages_that_are_not_counted_yet(call, world, log_lines):
    world.revision("airflow-worker:7")
    world.workers()
    world.queue()
    world.launches(3, "airflow-worker:7")
    world.ticks()
    assert call("wake-up-burst")["fleets"]["default"]["launched"] == 3


@pytest.fixture
def two_queues(monkeypatch):
    monkeypatch.setenv("WORKER_QUEUE_NAMES", ",heavy")
    monkeypatch.setenv("WORKER_FLEETS", '{"heavy": {"size": "1024/4096/1", "maxCount": 3}}')


def test_checks_only_the_queues_that_a_wake_up_names(two_queues, call, world, stubbed):
    world.revision("airflow-worker:7")
    world.workers()
    stubbed("sqs").add_response(
        "get_queue_attributes",
        {
            "Attributes": {
                f"ApproximateNumberOfMessages{n}": "0" for n in ("", "NotVisible", "Delayed")
            }
        },
        {
            "QueueUrl": "https://sqs.us-east-1.amazonaws.com/111122223333/airflow-queue-heavy",
            "AttributeNames": ANY,
        },
    )
    world.remembers(2)
    world.ecs.add_response("run_task", {"tasks": [{"taskArn": "new-0"}, {"taskArn": "new-1"}]})
    world.ticks()
    result = call("wake-up-queues")
    assert {queue: seen["launched"] for queue, seen in result["fleets"].items()} == {"heavy": 2}


def test_checks_every_queue_at_a_tick(two_queues, call, world):
    world.revision("airflow-worker:7")
    world.workers()
    world.queue()
    world.s3.add_client_error("get_object", "NoSuchKey")
    world.workers()
    world.queue()
    world.rests()
    assert list(call("tick")["fleets"]) == ["default", "heavy"]


def test_counts_failures_once_when_no_fleet_can_start_workers(two_queues, call, world, log_lines):
    world.revision("airflow-worker:7")
    for queue in ("default", "heavy"):
        if queue == "heavy":
            world.s3.add_client_error("get_object", "NoSuchKey")
        world.workers()
        world.queue(visible=1)
        world.remembers(2)
        world.ecs.add_response("run_task", {"tasks": [], "failures": [{"reason": "RESOURCE:ENI"}]})
    world.ticks()
    call("tick")
    assert '"WorkerLaunchesFailed":[2.0]' in log_lines()


def test_checks_the_fleet_of_a_worker_that_has_ended(two_queues, sample_event, context, world):
    event = sample_event("scale_workers/worker-left")
    event["detail"]["startedBy"] = "heavy"
    world.revision("airflow-worker:7")
    world.workers()
    world.queue()
    assert list(handler(event, context)["fleets"]) == ["heavy"]


def test_ignores_the_end_of_a_worker_whose_queue_is_not_configured(sample_event, context):
    event = sample_event("scale_workers/worker-left")
    event["detail"]["startedBy"] = "heavy"
    assert handler(event, context) is None


def test_ignores_the_end_of_a_task_of_the_ecs_executor(sample_event, context, log_lines):
    event = sample_event("scale_workers/worker-died")
    event["detail"]["startedBy"] = "EcsExecutor"
    assert handler(event, context) is None
    assert "WorkersDied" not in log_lines()


def test_counts_no_death_when_a_worker_was_stopped_because_it_hung(
    sample_event, context, world, log_lines
):
    event = sample_event("scale_workers/worker-died")
    event["detail"]["stoppedReason"] = UNHEALTHY
    world.revision("airflow-worker:7")
    world.workers()
    world.queue()
    world.rests()
    handler(event, context)
    assert "WorkersDied" not in log_lines()


def test_names_the_queues_when_an_unknown_one_is_paused(two_queues, context, world):
    with pytest.raises(UnknownQueueError, match="the queues are default, heavy"):
        handler({"pause": True, "queue": "heavi"}, context)


def test_reports_what_is_wrong_with_the_description_of_the_fleets(call, channel, monkeypatch):
    monkeypatch.setenv("WORKER_FLEETS", '{"heavy": {}}')
    call("custom-resource-create")
    assert "'heavy', which is not a queue" in channel.answer["Reason"]


def test_starts_nothing_while_paused(call, world):
    world.s3.add_client_error("get_object", "NoSuchKey")
    world.remembers()
    world.revision("airflow-worker:7", {"paused": True})
    world.workers()
    world.queue(visible=3)
    world.ticks()
    assert call("pause")["fleets"]["default"]["launched"] == 0


def test_launches_nothing_but_ticks_and_reports_when_a_worker_has_died(call, world, log_lines):
    world.revision("airflow-worker:7")
    world.workers()
    world.queue(visible=3)
    world.remembers()
    world.ticks()
    assert call("worker-died")["fleets"]["default"]["launched"] == 0
    lines = log_lines()
    assert "WorkersDied" in lines
    assert "Essential container in task exited" in lines


@pytest.mark.parametrize("name", ["tick", "worker-left", "direct"])
def test_cancels_the_tick_when_there_is_nothing_to_do(name, call, world, log_lines):
    world.revision("airflow-worker:7")
    world.workers()
    world.queue()
    world.rests()
    assert call(name)["fleets"]["default"]["lookAgain"] is False
    assert "CloudWatchMetrics" not in log_lines()


def test_logs_and_counts_when_ecs_starts_nothing(call, world, log_lines):
    world.revision("airflow-worker:7")
    world.workers()
    world.queue(visible=3)
    world.remembers(2)
    world.ecs.add_response("run_task", {"tasks": [], "failures": [{"reason": "RESOURCE:ENI"}]})
    world.ticks()
    call("tick")
    lines = log_lines()
    assert "RESOURCE:ENI" in lines
    assert '"WorkerLaunchesFailed":[1.0]' in lines


def test_ignores_a_stopped_task_that_is_not_a_worker(sample_event, context, world):
    event = sample_event("scale_workers/worker-died")
    event["detail"]["taskDefinitionArn"] = f"{FAMILY}-of-another-stack:1"
    assert handler(event, context) is None


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("custom-resource-create", "airflow-worker:7"),
        ("custom-resource-update", "airflow-worker:8"),
    ],
)
def test_deploys_the_revision_of_the_request_when_created_or_updated(
    name, revision, call, world, channel
):
    world.deploys(revision)
    world.revision(revision)
    world.workers("6")
    world.queue(visible=1, in_flight=8)
    world.launches(1, revision)
    world.ticks()
    call(name)
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["PhysicalResourceId"] == "WorkerFleet"


def test_stops_the_workers_and_answers_success_when_deleted(call, world, channel):
    world.deploys("none")
    world.rests()
    world.workers("8", "7", all_of_the_cluster=True)
    world.workers(desired_status="STOPPED", all_of_the_cluster=True)
    world.ecs.add_response("stop_task", {})
    world.ecs.add_response("stop_task", {})
    world.workers(all_of_the_cluster=True)
    world.workers(
        "8", "7", desired_status="STOPPED", last_status="STOPPED", all_of_the_cluster=True
    )
    world.rests()
    call("custom-resource-delete")
    assert channel.answer["Status"] == "SUCCESS"


def test_answers_failed_in_time_when_workers_do_not_stop(call, world, context, channel):
    context.remaining_milliseconds = 79_000
    world.deploys("none")
    world.rests()
    world.workers("8", all_of_the_cluster=True)
    world.workers(desired_status="STOPPED", all_of_the_cluster=True)
    world.ecs.add_response("stop_task", {})
    call("custom-resource-delete")
    assert channel.answer["Status"] == "FAILED"
    assert "1 workers did not stop in time" in channel.answer["Reason"]


def test_starts_nothing_when_the_fleet_is_retired(call, world):
    world.revision("none")
    world.rests()
    assert call("wake-up") == {"retired": True}


def test_answers_failed_when_the_limits_contradict_each_other(call, channel, monkeypatch):
    monkeypatch.setenv("WORKER_FLEETS", '{"default": {"minCount": 11}}')
    call("custom-resource-create")
    assert channel.answer["Status"] == "FAILED"
    assert "The limits of the fleet contradict each other" in channel.answer["Reason"]


@pytest.mark.parametrize(
    "event",
    [
        {"source": "somebody"},
        {"source": "aws.ecs", "detail": {}},
        {"visible": 3},
        {"pause": 1},
        {"pause": True, "queue": 1},
        {"queue": "heavy"},
    ],
)
def test_refuses_an_event_when_it_is_unknown(event, context):
    with pytest.raises(UnknownEventError):
        handler(event, context)


def test_raises_when_a_setting_is_missing(call, monkeypatch):
    monkeypatch.delenv("QUEUE_URL")
    with pytest.raises(SettingError, match="QUEUE_URL"):
        call("tick")


def test_raises_when_the_size_of_the_class_cannot_be_read(call, monkeypatch):
    monkeypatch.setenv("WORKER_SIZE", "1024/4096")
    with pytest.raises(WorkerFleetsError, match="write <CPU>/<MiB>/<slots>"):
        call("tick")


def test_fleet_takes_its_size_its_limits_and_its_idle_timeout_from_its_description():
    fleets = {
        "default": {"idleTimeoutSeconds": 300},
        "heavy": {"size": "4096/16384/2", "minCount": 1, "maxCount": 3, "aheadMaxCount": 2},
        "same": {"size": "1024/4096/8"},
    }
    values = os.environ | {
        "WORKER_QUEUE_NAMES": "heavy,,same",
        "WORKER_AHEAD_MAX_COUNT": "5",
        "WORKER_FLEETS": json.dumps(fleets),
    }
    settings = ScaleWorkersSettings.from_environment(values).fleets
    assert list(settings) == ["default", "heavy", "same"]
    default, heavy, same = settings.values()
    assert (default.size, default.idle_timeout_seconds) == (None, 300)
    assert (default.config.minimum, default.config.maximum, default.config.concurrency) == (
        0,
        10,
        8,
    )
    assert default.config.foresight_budget == 5
    assert heavy.size == WorkerSize(4096, 16384, 2)
    assert (heavy.config.minimum, heavy.config.maximum, heavy.config.concurrency) == (1, 3, 2)
    assert (heavy.config.foresight_budget, heavy.idle_timeout_seconds) == (2, 20)
    assert heavy.queue_url.endswith("/airflow-queue-heavy")
    # The class's size needs no override.
    assert same.size is None


def test_isolated_queue_has_the_role_at_its_place():
    values = os.environ | {
        "WORKER_QUEUE_NAMES": "heavy,,team-a:isolated",
        "QUEUE_ROLE_NAMES": ",,role-a,,,,,",
    }
    fleets = ScaleWorkersSettings.from_environment(values).fleets
    assert {queue: fleet.task_role_arn for queue, fleet in fleets.items()} == {
        "default": None,
        "heavy": None,
        "team-a": "arn:aws:iam::111122223333:role/role-a",
    }


@pytest.mark.parametrize("names", ["", ",,", "role-b,,", "role-b"])
def test_raises_when_an_isolated_queue_has_no_role(names):
    """The shared role must not take its place: it would give the team everyone's secrets."""
    values = os.environ | {
        "WORKER_QUEUE_NAMES": "heavy,,team-a:isolated",
        "QUEUE_ROLE_NAMES": names,
    }
    with pytest.raises(SettingError, match="no role for 'team-a'"):
        ScaleWorkersSettings.from_environment(values)


@pytest.mark.parametrize("name", ["tick", "worker-left", "direct"])
def test_starts_workers_for_messages_that_the_scheduler_counted_in_valkey(
    name, call, world, monkeypatch
):
    monkeypatch.setenv("BROKER", "valkey")
    monkeypatch.delenv("QUEUE_URL")
    world.revision("airflow-worker:7")
    world.workers()
    counts = {"default": {"waiting": 9, "held": 0}}
    world.reads({"counted_at": datetime.now(UTC).timestamp(), "queues": counts})
    world.launches(2, "airflow-worker:7")
    world.ticks()
    assert call(name)["fleets"]["default"]["launched"] == 2
