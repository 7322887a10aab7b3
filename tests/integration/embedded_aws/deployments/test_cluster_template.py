"""nested/cluster.yaml, with and without shells in containers: the very template."""

from typing import Any

from ..conftest import REPOSITORY
from ..stack_driver import StackDriver

CLUSTER = (REPOSITORY / "nested" / "cluster.yaml").read_text()


def groups(stacks: StackDriver, vpc: str) -> dict[str, list[Any]]:
    """The rules that admit connections, by the group's description."""
    found = stacks.aws.client("ec2").describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}]
    )["SecurityGroups"]
    return {each["Description"]: each["IpPermissions"] for each in found}


def test_cluster_gets_a_key_and_a_log_only_with_shells(stacks: StackDriver) -> None:
    ec2, kms = stacks.aws.client("ec2"), stacks.aws.client("kms")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    name = "a-cluster"

    def aliases() -> set[str]:
        return {each["AliasName"] for each in kms.list_aliases()["Aliases"]}

    given = {"RootStackName": name, "NetworkVpcId": vpc}
    stack = stacks.create(CLUSTER, **given, Options="x86")
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    assert f"alias/{name}-exec" not in aliases()
    rules = groups(stacks, vpc)
    # Nobody connects to a scheduler, a dag-processor or a command.
    assert rules["Tasks that use the metadata database of Airflow"] == []
    ports = {
        description: [rule["FromPort"] for rule in rules[description]]
        for description in (
            "Api-server of Airflow", "Tasks of Airflow", "Triggerer of Airflow",
        )
    }  # fmt: skip
    assert list(ports.values()) == [[8080], [8793], [8794]]

    stack = stacks.update(stack, CLUSTER, **given, Options="x86,exec")
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert f"alias/{name}-exec" in aliases()
    log = stacks.physical_id(stack, "ExecLogGroup")
    found = stacks.aws.client("logs").describe_log_groups(logGroupNamePrefix=log)["logGroups"]
    assert found[0]["retentionInDays"] == 365

    stack = stacks.update(stack, CLUSTER, **given, Options="")
    assert f"alias/{name}-exec" not in aliases()
