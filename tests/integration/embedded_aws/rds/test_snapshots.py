"""Snapshots that are taken while the database runs, and the state of the database meanwhile."""

import pytest
from botocore.exceptions import ClientError

from ..conftest import eventually
from ..stack_driver import StackDriver
from .test_instances import query, stacks, template

__all__ = ["stacks"]  # the fixture, which deletes the stacks of each test


def status(stacks: StackDriver) -> str:
    found = stacks.aws.client("rds").describe_db_instances()["DBInstances"]
    return str(found[0]["DBInstanceStatus"])


def test_snapshot_of_a_running_database_can_be_restored(stacks: StackDriver) -> None:
    rds = stacks.aws.client("rds")
    stack = stacks.create(template())
    database = stacks.physical_id(stack, "Database")
    query(stacks, "CREATE TABLE kept AS SELECT 42 AS answer")

    created = rds.create_db_snapshot(
        DBInstanceIdentifier=database, DBSnapshotIdentifier="Before-Upgrade"
    )["DBSnapshot"]

    # Case does not count, and RDS keeps lower case.
    assert created["DBSnapshotIdentifier"] == "before-upgrade"
    assert status(stacks) == "backing-up"
    with pytest.raises(ClientError, match="not currently in the available state") as refusal:
        rds.create_db_snapshot(DBInstanceIdentifier=database, DBSnapshotIdentifier="second")
    assert refusal.value.response["Error"]["Code"] == "InvalidDBInstanceState"
    rds.get_waiter("db_snapshot_available").wait(
        DBSnapshotIdentifier="BEFORE-upgrade", WaiterConfig={"Delay": 1}
    )
    eventually(lambda: status(stacks) == "available")
    query(stacks, "DROP TABLE kept")
    stacks.delete(stack)

    restored = stacks.create(template(DBSnapshotIdentifier="Before-Upgrade"))

    assert restored.status == "CREATE_COMPLETE", stacks.failures(restored)
    assert query(stacks, "SELECT answer FROM kept") == "42"


@pytest.mark.parametrize("identifier", ["a--b", "a-", "1a", "-a", "a_b"])
def test_snapshot_identifier_is_refused_as_rds_refuses_it(
    stacks: StackDriver, identifier: str
) -> None:
    stack = stacks.create(template())

    with pytest.raises(ClientError, match="not a valid identifier") as refusal:
        stacks.aws.client("rds").create_db_snapshot(
            DBInstanceIdentifier=stacks.physical_id(stack, "Database"),
            DBSnapshotIdentifier=identifier,
        )

    assert refusal.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_storage_does_not_shrink(stacks: StackDriver) -> None:
    stack = stacks.create(template(AllocatedStorage="30"))

    stack = stacks.update(stack, template(AllocatedStorage="20"))

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    reason = "Requested storage size (20) cannot be less than the current storage size (30)"
    assert reason in stacks.failures(stack)["Database"]
    with pytest.raises(ClientError, match="cannot be less than the current storage size"):
        stacks.aws.client("rds").modify_db_instance(
            DBInstanceIdentifier=stacks.physical_id(stack, "Database"),
            AllocatedStorage=20,
            ApplyImmediately=True,
        )


def test_rollback_keeps_the_storage_that_the_update_has_added(stacks: StackDriver) -> None:
    stack = stacks.create(template())
    broken = template(AllocatedStorage="30")
    broken["Resources"]["Refused"] = {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": "it's refused"},
        "DependsOn": "Database",
    }

    stack = stacks.update(stack, broken)

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    found = stacks.aws.client("rds").describe_db_instances()["DBInstances"][0]
    assert found["AllocatedStorage"] == 30


def test_protected_database_is_not_deleted(stacks: StackDriver) -> None:
    stack = stacks.create(template(DeletionProtection=True))

    deleted = stacks.delete(stack)

    assert deleted.status == "DELETE_FAILED"
    assert "Cannot delete protected DB Instance" in stacks.failures(stack)["Database"]
    assert query(stacks, "SELECT 1") == "1"
    stacks.aws.client("rds").modify_db_instance(
        DBInstanceIdentifier=stacks.physical_id(stack, "Database"),
        DeletionProtection=False,
        ApplyImmediately=True,
    )
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
