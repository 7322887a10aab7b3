"""The ECS executor in the scheduler: what it asks of ECS, and what it makes of the answers."""

import io
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.providers.amazon.aws.executors.ecs import ecs_executor as provider
from airflow.utils.state import TaskInstanceState
from botocore.exceptions import ClientError

from airflow_on_fargate import configuration
from airflow_on_fargate.contracts.drain_orders import KEY, RETIRED, DrainOrders
from airflow_on_fargate.executors import ecs
from airflow_on_fargate.patches.scheduler import unsent_tasks

ARN = "arn:aws:ecs:us-east-1:123456789012:task/airflow/1"
SCHEDULER = {
    "EXECUTORS": "celery,ecs",
    "COMPONENT": "scheduler",
    "STACK_NAME": "airflow",
    "FARGATE_EXECUTOR": "airflow-worker:3|subnet-1,subnet-2|sg-1|ENABLED|state",
}
TOKEN = "the-token-of-the-task"


class Bucket:
    """The state bucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        assert Bucket == "state"
        self.objects[Key] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[Key])}


class Ecs:
    """Answers as ECS does, as far as the executor looks."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.task: dict[str, Any] = {"lastStatus": "PROVISIONING", "desiredStatus": "RUNNING"}
        self.fault: Exception | None = None

    def run_task(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        if self.fault:
            raise self.fault
        return {"tasks": [self._described()], "failures": []}

    def describe_tasks(self, tasks: list[str], cluster: str) -> dict[str, Any]:
        return {"tasks": [self._described()] if tasks else [], "failures": []}

    def stop_task(self, cluster: str, task: str, reason: str) -> None:
        self.stopped.append(task)

    def _described(self) -> dict[str, Any]:
        return {"taskArn": ARN, "containers": [{"name": "worker"}], **self.task}


class Workload:
    """What the executor reads of a workload of Airflow."""

    def __init__(self, task: str = "extract", config: Any = None) -> None:
        self.ti = SimpleNamespace(
            key=TaskInstanceKey("dag", task, "run", 1, -1), queue="default", executor_config=config
        )
        self.log_path = f"dag_id=dag/task_id={task}/attempt=1.log"

    def model_dump_json(self) -> str:
        return json.dumps({"token": TOKEN, "ti": self.ti.key.task_id})


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was written into logs of tasks."""
    lines: list[tuple[str, str]] = []
    monkeypatch.setattr(unsent_tasks.writer, "write", lambda path, text: lines.append((path, text)))
    return lines


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch, written: list[tuple[str, str]]) -> Iterator[Any]:
    """The executor of a scheduler, whose requests go to `Ecs` and `Bucket`."""
    for name, value in {**configuration.settings_for(SCHEDULER), **SCHEDULER}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("airflow.executors.workloads.ExecuteTask", Workload)
    made = ecs.AwsEcsExecutor()
    made.ecs, made._s3, made.IS_BOTO_CONNECTION_HEALTHY = Ecs(), Bucket(), True
    yield made


def run(executor: Any, *workloads: Workload) -> None:
    """The scheduler hands over tasks, and calls for one round."""
    for each in workloads:
        executor.queued_tasks[each.ti.key] = each
    executor._process_workloads(list(workloads))
    executor.sync()


def state_of(executor: Any, workload: Workload) -> Any:
    return executor.event_buffer.get(workload.ti.key, (None, None))


def test_request_has_an_address_in_place_of_the_token(executor: Any) -> None:
    run(executor, Workload())

    (asked,) = executor.ecs.asked
    assert TOKEN not in json.dumps(asked)
    command, address = asked["overrides"]["containerOverrides"][0]["command"]
    key = address.removeprefix("s3://state/")
    assert command == "execute-workload"
    assert key.startswith("workloads/")
    assert json.loads(executor._s3.objects[key])["token"] == TOKEN


def test_request_is_that_of_the_stack(executor: Any) -> None:
    run(executor, Workload())

    (asked,) = executor.ecs.asked
    del asked["overrides"]
    assert asked == {
        "cluster": "airflow",
        "taskDefinition": "airflow-worker:3",
        "launchType": "FARGATE",
        "platformVersion": "LATEST",
        "count": 1,
        "startedBy": "EcsExecutor",
        "propagateTags": "TASK_DEFINITION",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1", "subnet-2"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "ENABLED",
            }
        },
    }


def test_executor_config_sizes_one_task_only(executor: Any) -> None:
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    large = {
        "overrides": {
            "cpu": 2048,
            "memory": "8192",
            "ephemeralStorage": {"sizeInGiB": 50},
            "containerOverrides": [{"environment": [{"name": "A", "value": "1"}]}],
        },
        "capacityProviderStrategy": spot,
    }
    run(executor, Workload("large", large), Workload("usual"))

    first, second = executor.ecs.asked
    assert first["overrides"]["cpu"] == "2048"
    assert first["overrides"]["memory"] == "8192"
    assert first["overrides"]["ephemeralStorage"] == {"sizeInGiB": 50}
    (container,) = first["overrides"]["containerOverrides"]
    assert container["name"] == "worker"
    assert {"name": "A", "value": "1"} in container["environment"]
    assert first["capacityProviderStrategy"] == spot
    assert "launchType" not in first
    assert second["overrides"].keys() == {"containerOverrides"}
    assert second["launchType"] == "FARGATE"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"name": "x"}, "executor_config has 'name'"),
        ({"command": ["rm"]}, "executor_config has 'command'"),
        ({"startedBy": "default"}, "executor_config has 'startedBy'"),
        ({"count": 10}, "executor_config has 'count'"),
        ({"networkConfiguration": {}}, "executor_config has 'networkConfiguration'"),
        ({"overrides": {"taskRoleArn": "arn"}}, "overrides has 'taskRoleArn'"),
        ({"overrides": []}, "overrides is list"),
        ({"overrides": {"containerOverrides": [{"command": ["rm"]}]}}, "[0] has 'command'"),
        ({"overrides": {"containerOverrides": [{"name": "other"}]}}, "[0].name is 'other'"),
        ({"overrides": {"containerOverrides": [{}, {}]}}, "not a list of one dictionary"),
        ({"overrides": {"ephemeralStorage": {"sizeInGiB": 20}}}, "ephemeralStorage is"),
        ({"capacityProviderStrategy": "FARGATE_SPOT"}, "must name one provider"),
        ({"taskDefinition": "airflow-command:1"}, "the family 'airflow-command'"),
        ("large", "executor_config is str"),
    ],
)
def test_executor_config_that_cannot_be_used_fails_its_task_only(
    config: Any, reason: str, executor: Any, written: list[tuple[str, str]]
) -> None:
    refused, other = Workload("refused", config), Workload("other")
    run(executor, refused, other)

    assert len(executor.ecs.asked) == 1
    state, info = state_of(executor, refused)
    assert state == TaskInstanceState.FAILED
    assert reason in info
    assert refused.ti.key not in executor.running
    assert written == [(refused.log_path, info)]
    assert state_of(executor, other) == (TaskInstanceState.RUNNING, ARN)


def test_own_image_is_a_task_definition_of_a_family_of_the_stack(executor: Any) -> None:
    run(executor, Workload(config={"taskDefinition": "airflow-executor-geo"}))

    assert executor.ecs.asked[0]["taskDefinition"] == "airflow-executor-geo"


def test_container_that_started_and_ended_badly_is_not_started_again(
    executor: Any, written: list[tuple[str, str]]
) -> None:
    workload = Workload()
    run(executor, workload)
    executor.ecs.task = {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "startedAt": 1.0,
        "stoppedReason": "Essential container in task exited",
        "containers": [
            {
                "name": "worker",
                "containerArn": "arn:container",
                "exitCode": 137,
                "reason": "OutOfMemoryError: killed",
            }
        ],
    }
    executor.sync()

    state, info = state_of(executor, workload)
    assert state == TaskInstanceState.FAILED
    assert "OutOfMemoryError: killed, exit code 137" in info
    assert written == [(workload.log_path, info)]
    assert len(executor.ecs.asked) == 1
    assert not executor.active_workers


def test_container_that_never_started_is_started_again(executor: Any) -> None:
    workload = Workload()
    run(executor, workload)
    executor.ecs.task = {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stoppedReason": "CannotPullContainerError",
    }
    executor.sync()

    assert state_of(executor, workload)[0] == TaskInstanceState.RUNNING
    (waiting,) = executor.pending_workloads
    assert waiting.key == workload.ti.key
    assert waiting.attempt_number == 2


def test_task_that_cannot_be_started_says_why_in_its_log(
    executor: Any, written: list[tuple[str, str]]
) -> None:
    executor.ecs.fault = RuntimeError("No Fargate configuration exists for given values")
    executor.max_run_task_attempts = "1"
    workload = Workload()
    run(executor, workload)

    state, info = state_of(executor, workload)
    assert state == TaskInstanceState.FAILED
    assert "No Fargate configuration exists for given values" in info
    assert written == [(workload.log_path, info)]


def test_container_that_ended_well_is_a_success(executor: Any) -> None:
    workload = Workload()
    run(executor, workload)
    executor.ecs.task = {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "startedAt": 1.0,
        "containers": [{"name": "worker", "exitCode": 0}],
    }
    executor.sync()

    assert state_of(executor, workload)[0] == TaskInstanceState.SUCCESS
    assert executor._paths == {}


def test_few_tasks_start_in_one_round_and_the_others_in_their_order(executor: Any) -> None:
    count = ecs.STARTS_IN_A_ROUND + 2
    run(executor, *(Workload(f"t{number}") for number in range(count)))
    assert len(executor.ecs.asked) == ecs.STARTS_IN_A_ROUND

    executor.sync()
    assert len(executor.ecs.asked) == count


def test_nothing_starts_while_the_stack_is_deleted(executor: Any) -> None:
    executor._s3.objects[KEY] = DrainOrders(RETIRED).to_bytes()
    run(executor, Workload())

    assert executor.ecs.asked == []
    assert len(executor.pending_workloads) == 1


def test_task_that_starts_while_the_deletion_begins_is_stopped(
    executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = executor.ecs.run_task

    def run_task(**request: Any) -> Any:
        executor._s3.objects[KEY] = DrainOrders(RETIRED).to_bytes()
        return begin(**request)

    monkeypatch.setattr(executor.ecs, "run_task", run_task)
    run(executor, Workload())

    assert executor.ecs.stopped == [ARN]


def test_scheduler_starts_although_ecs_refuses_and_tries_again(
    executor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "StopTask")

    def not_found(**_: Any) -> None:
        error = {"Code": "InvalidParameterException", "Message": "The task was not found."}
        raise ClientError({"Error": error}, "StopTask")

    healthy = Ecs()
    monkeypatch.setattr(executor.ecs, "stop_task", refuse)
    monkeypatch.setattr(healthy, "stop_task", not_found)
    executor.IS_BOTO_CONNECTION_HEALTHY = False
    executor.start()
    run(executor, Workload())
    assert executor.pending_workloads

    executor.last_connection_reload -= timedelta(hours=1)
    monkeypatch.setattr(provider, "EcsHook", lambda **_: SimpleNamespace(conn=healthy))
    executor.sync()
    assert len(healthy.asked) == 1


class Adopted:
    """A task instance of a scheduler that has ended."""

    key = TaskInstanceKey("dag", "adopted", "run", 1, -1)
    external_executor_id = ARN
    queue, executor_config, try_number, state = "default", {}, 1, "running"


@pytest.mark.parametrize("fault", [None, AttributeError("no DAG")])
def test_running_task_of_another_scheduler_is_adopted(
    executor: Any, monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    made: list[Any] = []

    def make(ti: Any, generator: Any) -> Workload:
        if fault:
            raise fault
        made.append(generator)
        return Workload("adopted")

    monkeypatch.setattr(Workload, "make", staticmethod(make), raising=False)
    monkeypatch.setattr(type(executor), "jwt_generator", "tokens")
    executor.ecs.task = {"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "startedAt": 1.0}
    other = Adopted()
    other.external_executor_id = None  # type: ignore[assignment]

    assert executor.try_adopt_task_instances([Adopted(), other]) == [other]
    # A container that never started is started again with the token of this scheduler.
    assert made == ([] if fault else ["tokens"])

    executor.ecs.task = {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "startedAt": 1.0,
        "containers": [{"name": "worker", "exitCode": 0}],
    }
    executor.sync()
    assert executor.event_buffer[Adopted.key][0] == TaskInstanceState.SUCCESS


def test_end_of_the_scheduler_leaves_its_tasks(executor: Any) -> None:
    run(executor, Workload())
    executor.end()
    executor.terminate()

    assert executor.ecs.stopped == []


def test_task_that_was_queued_for_too_long_is_stopped_and_forgotten(executor: Any) -> None:
    workload = Workload()
    run(executor, workload)
    executor.revoke_task(ti=workload.ti)

    assert executor.ecs.stopped == [ARN]
    assert not executor.active_workers
    assert workload.ti.key not in executor.running


def test_api_server_creates_it_without_any_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow asks the executor of a running task for its log."""
    monkeypatch.delenv("AIRFLOW__AWS_ECS_EXECUTOR__CLUSTER", raising=False)
    made = ecs.AwsEcsExecutor()

    assert made.get_task_log(None, 1) == ([], [])
    with pytest.raises(RuntimeError, match="settings of the stack's scheduler"):
        made.start()


def test_airflow_finds_it_by_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.executors import executor_loader

    for name, value in {
        "_executor_names": [],
        "_team_name_to_executors": defaultdict(list),
        "_alias_to_executors_per_team": defaultdict(dict),
        "_module_to_executors_per_team": defaultdict(dict),
        "_classname_to_executors_per_team": defaultdict(dict),
    }.items():
        monkeypatch.setattr(executor_loader, name, value)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", configuration.executors("celery,ecs"))
    loader = executor_loader.ExecutorLoader

    for name in ("ecs", "AwsEcsExecutor"):
        found = loader.lookup_executor_name_by_str(name)
        assert loader.import_executor_cls(found)[0] is ecs.AwsEcsExecutor
    assert loader.get_default_executor_name().alias == "CeleryExecutor"
