"""nested/broker-redis.yaml, the very template: its URL leads to a Valkey with the token."""

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ..stack_driver import StackDriver

NESTED = Path(__file__).parents[4] / "nested"
# One resource for each thing that the template gets from others.
NETWORK = {
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}},
        **{
            f"Subnet{zone}": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {
                    "VpcId": {"Ref": "Vpc"},
                    "CidrBlock": f"10.7.{number}.0/24",
                    "AvailabilityZone": f"us-east-1{zone.lower()}",
                },
            }
            for number, zone in enumerate("AB", 1)
        },
        "Workers": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "Workers", "VpcId": {"Ref": "Vpc"}},
        },
        "Topic": {"Type": "AWS::SNS::Topic"},
    },
    "Outputs": {
        name: {"Value": value}
        for name, value in {
            "NetworkVpcId": {"Ref": "Vpc"},
            "DatabaseSubnetIds": {"Fn::Join": [",", [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}]]},
            "TaskSecurityGroupId": {"Fn::GetAtt": ["Workers", "GroupId"]},
            "NotificationTopicArn": {"Ref": "Topic"},
        }.items()
    },
}


@pytest.mark.parametrize("nodes", ["cache.t4g.micro/1", "cache.t4g.small/2"])
def test_url_of_the_secret_leads_to_valkey(stacks: StackDriver, nodes: str) -> None:
    network = stacks.create(NETWORK)
    stack = stacks.create(
        (NESTED / "broker-redis.yaml").read_text(),
        RootStackName="a-broker",
        BrokerNodes=nodes,
        KmsKeyArn="",
        **network.outputs,
    )

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    secret = stacks.aws.client("secretsmanager").get_secret_value(
        SecretId=stack.outputs["BrokerUrlSecretArn"]
    )
    url = urlsplit(secret["SecretString"])
    assert (url.scheme, url.username, url.path) == ("rediss", "", "/0")
    assert url.password is not None
    assert len(url.password) == 64
    context = ssl.create_default_context(cafile=str(stacks.aws.ca_file))
    with (
        socket.create_connection((str(url.hostname), int(url.port or 0)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=url.hostname) as client,
    ):
        client.sendall(f"AUTH {url.password}\r\nCONFIG GET maxmemory-policy\r\n".encode())
        answers = client.makefile("rb")
        lines = [answers.readline().decode().strip() for _ in range(6)]
    assert (lines[0], lines[-1]) == ("+OK", "noeviction")
    (alarm,) = stacks.aws.client("cloudwatch").describe_alarms(
        AlarmNames=["a-broker-broker-memory"]
    )["MetricAlarms"]
    assert alarm["Dimensions"][0]["Value"].endswith("-001")
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
