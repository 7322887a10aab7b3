"""Contract: a DB instance of a template is a PostgreSQL server that accepts logins."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ..conftest import POSTGRES_BIN, EmbeddedAws, eventually
from ..stack_driver import Stack, StackDriver

# Without the four characters that RDS refuses.
PASSWORD = "it's-a-secret;with:$igns%\\"


@pytest.fixture
def stacks(embedded_aws: EmbeddedAws) -> Iterator[StackDriver]:
    """There is one database port, so every test deletes its stacks."""
    driver = StackDriver(embedded_aws)
    yield driver
    driver.delete_all()


def template(policy: str = "Delete", **properties: Any) -> dict[str, Any]:
    database = {
        "Engine": "postgres",
        "EngineVersion": "16",
        "DBInstanceClass": "db.t4g.micro",
        "AllocatedStorage": "20",
        "DBName": "airflow",
        "MasterUsername": "airflow_admin",
        "MasterUserPassword": PASSWORD,
        **properties,
    }
    return {
        "Resources": {
            "Database": {
                "Type": "AWS::RDS::DBInstance",
                "DeletionPolicy": policy,
                "Properties": {k: v for k, v in database.items() if v is not None},
            }
        },
        "Outputs": {
            name: {"Value": {"Fn::GetAtt": ["Database", f"Endpoint.{name}"]}}
            for name in ("Address", "Port")
        },
    }


def query(stacks: StackDriver, sql: str, password: str = PASSWORD) -> str:
    done = subprocess.run(
        [str(POSTGRES_BIN / "psql"), "-X", "-h", "127.0.0.1", "-U", "airflow_admin",
         "-p", str(stacks.aws.config["database_port"]), "-d", "airflow", "-Atc", sql],
        env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip() if done.returncode == 0 else done.stderr


def listens(stacks: StackDriver) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", stacks.aws.config["database_port"])) == 0


def test_master_user_owns_the_database(stacks: StackDriver) -> None:
    stack = stacks.create(template())

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    assert stack.outputs == {
        "Address": "127.0.0.1", "Port": str(stacks.aws.config["database_port"]),
    }  # fmt: skip
    assert query(stacks, "CREATE TABLE t (i int)") == "CREATE TABLE"
    assert query(stacks, "SHOW server_version").startswith("16.")
    assert query(stacks, "SHOW unix_socket_directories") == ""
    assert query(stacks, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == "f"
    # As on RDS, where it may keep other users out of them.
    owners = "SELECT count(*) FROM pg_database WHERE datdba = current_user::regrole"
    assert query(stacks, f"{owners} AND datname IN ('postgres', 'template1')") == "2"
    described = stacks.aws.client("rds").describe_db_instances()["DBInstances"][0]
    assert described["Endpoint"]["Address"] == "127.0.0.1"


def test_instance_sends_its_connections_and_free_storage_to_cloudwatch(
    stacks: StackDriver,
) -> None:
    stack = stacks.create(template())
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    instance = stacks.physical_id(stack, "Database")

    def values(metric: str) -> list[float]:
        now = datetime.now(UTC)
        found = stacks.aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName=metric,
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": instance}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=3600,
            Statistics=["Maximum"],
        )
        return [point["Maximum"] for point in found["Datapoints"]]

    with ExitStack() as clients:
        for _ in range(3):
            address = ("127.0.0.1", stacks.aws.config["database_port"])
            clients.enter_context(socket.create_connection(address))
        eventually(lambda: max(values("DatabaseConnections"), default=0) >= 3)
    # An empty database has some 30 MB.
    assert 19.9 * 2**30 < values("FreeStorageSpace")[-1] < 20 * 2**30
    assert values("CPUUtilization") and values("FreeableMemory")


def test_login_is_refused_when_the_password_is_wrong(stacks: StackDriver) -> None:
    stacks.create(template())

    assert "password authentication failed" in query(stacks, "SELECT 1", password="wrong")


def test_update_changes_the_password(stacks: StackDriver) -> None:
    stack = stacks.create(template())

    updated = stacks.update(stack, template(MasterUserPassword="another-one"))

    assert updated.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert query(stacks, "SELECT 1", password="another-one") == "1"
    assert "failed" in query(stacks, "SELECT 1")


def test_deletion_of_a_stack_ends_the_server(stacks: StackDriver) -> None:
    stack = stacks.create(template())
    assert listens(stacks)

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    assert not listens(stacks)
    assert stacks.aws.client("rds").describe_db_instances()["DBInstances"] == []


def test_final_snapshot_can_be_restored(stacks: StackDriver) -> None:
    stack: Stack = stacks.create(template("Snapshot"))
    query(stacks, "CREATE TABLE kept AS SELECT 42 AS answer")
    stacks.delete(stack)
    snapshots = stacks.aws.client("rds").describe_db_snapshots()["DBSnapshots"]
    snapshot = snapshots[-1]["DBSnapshotIdentifier"]

    restored = stacks.create(template(DBSnapshotIdentifier=snapshot))

    assert restored.status == "CREATE_COMPLETE", stacks.failures(restored)
    assert query(stacks, "SELECT answer FROM kept") == "42"


def test_second_instance_is_refused(stacks: StackDriver) -> None:
    stacks.create(template())

    second = stacks.create(template())

    assert second.status == "ROLLBACK_COMPLETE"
    assert "one database port" in stacks.failures(second)["Database"]
    assert query(stacks, "SELECT 1") == "1"


def test_second_instance_is_refused_while_the_first_one_starts(stacks: StackDriver) -> None:
    both = template()
    both["Resources"]["Another"] = both["Resources"]["Database"]

    stack = stacks.create(both)

    assert stack.status == "ROLLBACK_COMPLETE"
    refused = [
        reason for reason in stacks.failures(stack).values() if "one database port" in reason
    ]
    assert len(refused) == 1
    assert not listens(stacks)
    assert stacks.aws.client("rds").describe_db_instances()["DBInstances"] == []


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"Engine": "mysql"}, "has PostgreSQL, not mysql"),
        ({"EngineVersion": "9.6"}, "asks for PostgreSQL 9.6"),
        ({"ManageMasterUserPassword": True, "MasterUserPassword": None}, "does not emulate"),
    ],
)
def test_instance_that_cannot_be_emulated_is_refused(
    stacks: StackDriver, properties: dict[str, Any], reason: str
) -> None:
    stack = stacks.create(template(**properties))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Database"]
    assert not listens(stacks)
