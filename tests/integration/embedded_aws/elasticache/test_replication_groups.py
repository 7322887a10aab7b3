"""Contract: a replication group of a template is a Valkey server with TLS and a token."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import EmbeddedAws
from ..stack_driver import Stack, StackDriver

TOKEN = "0123456789abcdefABCDEF"
OTHER_TOKEN = "fedcba9876543210FEDCBA"
VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}


@pytest.fixture
def stacks(embedded_aws: EmbeddedAws) -> Iterator[StackDriver]:
    driver = StackDriver(embedded_aws)
    yield driver
    driver.delete_all()


def subnet(zone: str, number: int) -> dict[str, Any]:
    return {
        "Type": "AWS::EC2::Subnet",
        "Properties": {
            "VpcId": {"Ref": "Vpc"},
            "CidrBlock": f"10.0.{number}.0/24",
            "AvailabilityZone": f"us-east-1{zone}",
        },
    }


def template(zones: str = "ab", family: str = "valkey8", **properties: Any) -> dict[str, Any]:
    group = {
        "ReplicationGroupDescription": "Broker",
        "Engine": "valkey",
        "EngineVersion": "8.0",
        "CacheNodeType": "cache.t4g.micro",
        "NumCacheClusters": 1,
        "CacheSubnetGroupName": {"Ref": "Subnets"},
        "CacheParameterGroupName": {"Ref": "Parameters"},
        "TransitEncryptionEnabled": True,
        "AuthToken": TOKEN,
        **properties,
    }
    return {
        "Resources": {
            "Vpc": VPC,
            "SubnetA": subnet(zones[0], 1),
            "SubnetB": subnet(zones[1], 2),
            "Subnets": {
                "Type": "AWS::ElastiCache::SubnetGroup",
                "Properties": {
                    "Description": "Two subnets",
                    "SubnetIds": [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}],
                },
            },
            "Parameters": {
                "Type": "AWS::ElastiCache::ParameterGroup",
                "Properties": {
                    "CacheParameterGroupFamily": family,
                    "Description": "Messages are not evicted",
                    "Properties": {"maxmemory-policy": "noeviction"},
                },
            },
            "Group": {
                "Type": "AWS::ElastiCache::ReplicationGroup",
                "Properties": {k: v for k, v in group.items() if v is not None},
            },
        },
        "Outputs": {
            "Id": {"Value": {"Ref": "Group"}},
            **{
                name: {"Value": {"Fn::GetAtt": ["Group", f"PrimaryEndPoint.{name}"]}}
                for name in ("Address", "Port")
            },
        },
    }


class Client:
    """A connection to the group of a stack."""

    def __init__(self, stack: Stack, ca_file: Path | None) -> None:
        address, port = stack.outputs["Address"], int(stack.outputs["Port"])
        plain = socket.create_connection((address, port), timeout=10)
        if ca_file:
            context = ssl.create_default_context(cafile=str(ca_file))
            self._socket: socket.socket = context.wrap_socket(plain, server_hostname=address)
        else:
            self._socket = plain
        self._answers = self._socket.makefile("rb")

    def __call__(self, *words: str) -> str:
        """The first line of the answer; an empty one when the server hangs up."""
        parts = [f"${len(word)}\r\n{word}\r\n" for word in words]
        self._socket.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
        return str(self._answers.readline().decode().strip())

    def lines(self, count: int) -> list[str]:
        return [self._answers.readline().decode().strip() for _ in range(count)]


def test_server_speaks_tls_with_a_certificate_of_the_local_authority(stacks: StackDriver) -> None:
    stack = stacks.create(template())

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    client = Client(stack, stacks.aws.ca_file)
    assert client("PING").startswith("-NOAUTH")
    assert client("AUTH", OTHER_TOKEN).startswith("-WRONGPASS")
    assert client("AUTH", TOKEN) == "+OK"
    assert client("LPUSH", "default", "message") == ":1"
    assert client("CONFIG", "GET", "maxmemory-policy") == "*2"
    assert client.lines(4)[3] == "noeviction"


def test_plain_connection_is_refused_where_tls_is_required(stacks: StackDriver) -> None:
    stack = stacks.create(template())

    with pytest.raises((OSError, AssertionError)):
        assert Client(stack, None)("PING") != ""


def test_group_is_described_as_the_api_does(stacks: StackDriver) -> None:
    stack = stacks.create(
        template(NumCacheClusters=2, AutomaticFailoverEnabled=True, MultiAZEnabled=True)
    )

    elasticache = stacks.aws.client("elasticache")
    (group,) = elasticache.describe_replication_groups(ReplicationGroupId=stack.outputs["Id"])[
        "ReplicationGroups"
    ]
    assert group["Status"] == "available"
    assert group["AuthTokenEnabled"] is True
    assert group["TransitEncryptionEnabled"] is True
    assert len(group["MemberClusters"]) == 2
    (shard,) = group["NodeGroups"]
    assert shard["PrimaryEndpoint"] == {
        "Address": "127.0.0.1", "Port": int(stack.outputs["Port"]),
    }  # fmt: skip


def test_new_token_works_without_another_server(stacks: StackDriver) -> None:
    stack = stacks.create(template())
    Client(stack, stacks.aws.ca_file)("AUTH", TOKEN)

    updated = stacks.update(stack, template(AuthToken=OTHER_TOKEN))

    assert updated.outputs == stack.outputs
    client = Client(updated, stacks.aws.ca_file)
    assert client("AUTH", TOKEN).startswith("-WRONGPASS")
    assert client("AUTH", OTHER_TOKEN) == "+OK"


def test_server_ends_with_its_stack(stacks: StackDriver) -> None:
    stack = stacks.create(template())

    assert stacks.delete(stack).status == "DELETE_COMPLETE"
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(stack.outputs["Port"]))) != 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"AuthToken": "short"}, "AuthToken has 5 characters"),
        ({"AuthToken": "with/slashes/and@signs"}, "AuthToken is a secret, which does not match"),
        ({"TransitEncryptionEnabled": False}, "AuthToken needs TransitEncryptionEnabled"),
        (
            {"MultiAZEnabled": True, "AutomaticFailoverEnabled": True},
            "AutomaticFailoverEnabled needs NumCacheClusters of at least 2",
        ),
        ({"ReplicationGroupId": "a" * 41}, "ReplicationGroupId has 41 characters"),
        (
            {
                "zones": "aa",
                "NumCacheClusters": 2,
                "MultiAZEnabled": True,
                "AutomaticFailoverEnabled": True,
            },
            "at least two availability zones",
        ),
        ({"family": "valkey7"}, "Expected a parameter group of family valkey8"),
        ({"CacheParameterGroupName": "nobody-made-it"}, "CacheParameterGroupNotFound"),
        # What only the emulator does not have.
        ({"Engine": "redis", "EngineVersion": "7.1"}, "The embedded AWS has Valkey"),
        ({"SnapshotRetentionLimit": 1}, "The embedded AWS makes no snapshots"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_refused_group_fails_the_stack(
    stacks: StackDriver, changes: dict[str, Any], reason: str
) -> None:
    stack = stacks.create(template(**changes))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in str(stacks.failures(stack))
