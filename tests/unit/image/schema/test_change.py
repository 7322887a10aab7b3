"""Upgrade and downgrade the schema, and stop services only when needed."""

import json
from collections.abc import Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from airflow_on_fargate.contracts.upgrade_notes import QUIESCED_KEY, QuiescedNote
from airflow_on_fargate.schema import alembic_heads
from airflow_on_fargate.schema import change as schema_change
from airflow_on_fargate.schema.change import RefusedError, SchemaChange
from airflow_on_fargate.schema.quiescence import Quiescence, StillRunningError
from airflow_on_fargate.schema.task_identity import TaskIdentity
from airflow_on_fargate.schema.upgrade_state import UpgradeState

BEFORE = {"alembic_version": frozenset({"a1"}), "alembic_version_fab": frozenset({"f1"})}
AFTER = {"alembic_version": frozenset({"a2"}), "alembic_version_fab": frozenset({"f2"})}
KNOWN = {t: BEFORE[t] | AFTER[t] for t in BEFORE}
EMPTY: alembic_heads.Heads = {"alembic_version": frozenset(), "alembic_version_fab": frozenset()}
IDENTITY = TaskIdentity("arn:task/one", "arn:cluster/c", "airflow-command", "10")


class InMemoryStateBucket:
    """The S3 calls of the state, with conditional writes."""

    exceptions = boto3.client("s3", region_name="us-east-1").exceptions

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "") -> None:
        if IfNoneMatch == "*" and Key in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.objects[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        data = self.objects[Key]
        return {"Body": type("Body", (), {"read": lambda self: data})()}


class Database:
    """Heads that Airflow's commands change; records the order of events."""

    def __init__(self, heads: alembic_heads.Heads) -> None:
        self.heads = dict(heads)
        self.happened: list[str] = []
        self.fails = False

    def found(self) -> alembic_heads.Heads:
        return dict(self.heads)

    def migrate(self) -> None:
        self.happened.append("db migrate")
        if self.fails:
            raise RuntimeError("exit code 1")
        self.heads = dict(AFTER)

    def ensure_user(self) -> None:
        self.happened.append("first user")

    def airflow(self, arguments: Sequence[str]) -> None:
        self.happened.append(" ".join(arguments))
        if self.fails:
            raise RuntimeError("exit code 1")
        table = "alembic_version_fab" if arguments[0] == "fab-db" else "alembic_version"
        self.heads[table] = frozenset({arguments[-1]})

    def begin(self) -> None:
        self.happened.append("quiesce")

    def snapshot(self) -> None:
        self.happened.append("snapshot")


@pytest.fixture
def bucket() -> InMemoryStateBucket:
    return InMemoryStateBucket()


def change(
    database: Database,
    bucket: InMemoryStateBucket,
    needed: alembic_heads.Heads = AFTER,
    known: alembic_heads.Heads = KNOWN,
) -> SchemaChange:
    state = UpgradeState(bucket, "state", IDENTITY)
    return SchemaChange(
        state, database, database.found, database.migrate, database.airflow, database.snapshot,  # type: ignore[arg-type]
        needed, known, database.ensure_user,
    )  # fmt: skip


def test_upgrade_records_before_it_stops_and_stops_before_it_migrates(
    bucket: InMemoryStateBucket,
) -> None:
    database = Database(BEFORE)
    change(database, bucket).upgrade()
    assert database.happened == ["snapshot", "quiesce", "db migrate"]
    assert json.loads(bucket.objects["upgrades/airflow-command:10.json"]) == {
        "heads": {"alembic_version": ["a1"], "alembic_version_fab": ["f1"]}
    }


def test_upgrade_is_refused_when_it_was_rolled_back_before_it_began(
    bucket: InMemoryStateBucket,
) -> None:
    bucket.objects["upgrades/airflow-command:10.json"] = b'{"heads": null}'
    database = Database(BEFORE)
    with pytest.raises(RefusedError, match="rolled back"):
        change(database, bucket).upgrade()
    assert database.happened == []
    assert "nothing to restore" in change(database, bucket).restore()


def test_upgrade_stops_nothing_when_the_schema_is_up_to_date(
    bucket: InMemoryStateBucket,
) -> None:
    database = Database(AFTER)
    assert "Nothing was stopped" in change(database, bucket).upgrade()
    assert (database.happened, bucket.objects) == (["first user"], {})


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], None),
        (["--first-user"], []),
        (["--first-user", "team@example.com"], ["team@example.com"]),
    ],
)
def test_first_user_is_a_part_of_the_command_when_it_is_asked_for(
    words: list[str], arguments: list[str] | None
) -> None:
    assert schema_change.first_user_from(words) == arguments


def test_upgrade_only_migrates_when_the_database_is_new(bucket: InMemoryStateBucket) -> None:
    database = Database(EMPTY)
    change(database, bucket).upgrade()
    assert (database.happened, bucket.objects) == (["db migrate"], {})


def test_upgrade_is_refused_with_what_to_do_when_the_image_is_older(
    bucket: InMemoryStateBucket,
) -> None:
    database = Database(AFTER)
    with pytest.raises(RefusedError) as refusal:
        change(database, bucket, needed=BEFORE, known=BEFORE).upgrade()
    assert "restore-schema alembic_version=a1 alembic_version_fab=f1" in str(refusal.value)
    assert "snapshot" in str(refusal.value)
    assert (database.happened, bucket.objects) == ([], {})


def test_repeated_migration_keeps_the_first_recorded_heads(
    bucket: InMemoryStateBucket,
) -> None:
    database = Database(BEFORE)
    database.fails = True
    with pytest.raises(RuntimeError):
        change(database, bucket).upgrade()
    database.heads["alembic_version_fab"] = frozenset({"f2"})  # half of it was done
    database.fails = False
    change(database, bucket).upgrade()
    assert change(database, bucket).state.heads_before() == BEFORE


def test_restore_downgrades_both_tables(
    bucket: InMemoryStateBucket,
) -> None:
    database = Database(BEFORE)
    change(database, bucket).upgrade()
    database.happened.clear()
    change(database, bucket).restore()
    assert database.happened == [
        "quiesce",
        "db downgrade --yes --to-revision a1",
        "fab-db downgrade --yes --to-revision f1",
    ]
    assert database.heads == BEFORE


def test_restore_stops_nothing_when_the_migration_failed_before_it_changed_anything(
    bucket: InMemoryStateBucket,
) -> None:
    database = Database(BEFORE)
    database.fails = True
    with pytest.raises(RuntimeError):
        change(database, bucket).upgrade()
    database.happened.clear()
    assert "as before" in change(database, bucket).restore()
    assert database.happened == []


def test_restore_does_nothing_when_no_migration_was_recorded(bucket: InMemoryStateBucket) -> None:
    database = Database(AFTER)
    assert "nothing to restore" in change(database, bucket).restore()
    assert database.happened == []


def test_restore_uses_the_heads_of_its_arguments(bucket: InMemoryStateBucket) -> None:
    database = Database(AFTER)
    change(database, bucket).restore(schema_change.heads_from(["alembic_version=a1"]))
    assert database.happened == ["quiesce", "db downgrade --yes --to-revision a1"]


def test_restore_is_refused_when_this_image_does_not_know_the_head(
    bucket: InMemoryStateBucket,
) -> None:
    database = Database(AFTER)
    with pytest.raises(RefusedError, match="newer image"):
        change(database, bucket).restore({"alembic_version": frozenset({"zz"})})
    assert database.happened == []


@pytest.mark.parametrize("word", ["a1", "users=a1", "alembic_version="])
def test_malformed_heads_are_refused(word: str) -> None:
    with pytest.raises(RefusedError, match="<table>=<head>"):
        schema_change.heads_from([word])


def test_every_needed_head_is_known() -> None:
    known = alembic_heads.known_revisions()
    assert all(heads <= known[table] for table, heads in alembic_heads.needed_heads().items())
    assert set(schema_change.DOWNGRADES) == set(alembic_heads.MIGRATIONS)


class Cluster:
    """The ECS calls of quiescence: services, and tasks that take a few looks to end."""

    def __init__(self, counts: dict[str, int], looks: int = 2) -> None:
        self.counts = counts
        self.looks = dict.fromkeys(counts, looks)
        self.stopped: list[str] = []

    def get_paginator(self, operation: str) -> "Pages":
        return Pages(self, operation)

    def describe_services(self, *, cluster: str, services: list[str]) -> dict[str, Any]:
        return {
            "services": [
                {"serviceArn": name, "serviceName": name, "desiredCount": self.counts[name],
                 "taskDefinition": f"arn:aws:ecs:::task-definition/airflow-{name}:3"}
                for name in services
            ]
        }  # fmt: skip

    def update_service(self, *, cluster: str, service: str, desiredCount: int) -> None:
        self.counts[service] = desiredCount
        self.stopped.append(service)

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict[str, Any]:
        found = []
        for name in tasks:
            self.looks[name] -= 1
            status = "STOPPING" if self.looks[name] > 0 else "DEPROVISIONING"
            found.append({"taskArn": name, "lastStatus": status})
        return {"tasks": found}


class Pages:
    def __init__(self, cluster: Cluster, operation: str) -> None:
        self.cluster = cluster
        self.operation = operation

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        if self.operation == "list_services":
            return [{"serviceArns": list(self.cluster.counts)}]
        # A task that is being stopped is listed among the stopped ones.
        stopped = asked["desiredStatus"] == "STOPPED"
        return [{"taskArns": [asked["serviceName"]] if stopped else []}]


def quiescence(cluster: Cluster, bucket: InMemoryStateBucket) -> Quiescence:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    state = UpgradeState(bucket, "state", IDENTITY)
    return Quiescence(cluster, IDENTITY, state, sleep, lambda: now[0], lambda text: None)


def test_api_server_stops_last(bucket: InMemoryStateBucket) -> None:
    cluster = Cluster({"api-server": 2, "triggerer": 1, "scheduler": 1, "dag-processor": 1})
    quiescence(cluster, bucket).begin()
    assert cluster.stopped == ["scheduler", "dag-processor", "triggerer", "api-server"]
    assert json.loads(bucket.objects[QUIESCED_KEY]) == {
        "owner": IDENTITY.task_arn,
        "counts": {"api-server": 2, "triggerer": 1, "scheduler": 1, "dag-processor": 1},
    }


@pytest.mark.parametrize(
    "services",
    [
        ["api-server", "control-plane"],
        ["api-server", "control-plane", "scheduler", "dag-processor", "triggerer"],
    ],
    ids=["compact", "while the class changes"],
)
def test_every_shape_of_the_control_plane_is_stopped(
    bucket: InMemoryStateBucket, services: list[str]
) -> None:
    cluster = Cluster(dict.fromkeys(services, 1))
    quiescence(cluster, bucket).begin()
    assert cluster.counts == dict.fromkeys(services, 0)
    assert (cluster.stopped[0], cluster.stopped[-1]) == ("control-plane", "api-server")


def test_recorded_counts_stay_when_services_are_already_stopped(
    bucket: InMemoryStateBucket,
) -> None:
    state = UpgradeState(bucket, "state", IDENTITY)
    state.remember_quiesced(QuiescedNote("arn:task/crashed", {"scheduler": 2, "api-server": 3}))
    quiescence(Cluster({"scheduler": 0, "api-server": 1}), bucket).begin()
    assert state.quiesced() == QuiescedNote(IDENTITY.task_arn, {"scheduler": 2, "api-server": 1})


def test_error_names_the_component_that_does_not_stop(bucket: InMemoryStateBucket) -> None:
    cluster = Cluster({"scheduler": 1, "api-server": 1}, looks=10_000)
    with pytest.raises(StillRunningError, match="scheduler"):
        quiescence(cluster, bucket).begin()
    assert cluster.counts["api-server"] == 1
