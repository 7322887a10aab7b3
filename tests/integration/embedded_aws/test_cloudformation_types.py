"""Contract: types and attributes that the project's templates use are there and are real."""

from typing import Any

import pytest

from .conftest import EmbeddedAws
from .stack_driver import StackDriver

VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}
SUBNET = {
    "Type": "AWS::EC2::Subnet",
    "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.7.1.0/24"},
}
GROUP = {
    "Type": "AWS::EC2::SecurityGroup",
    "Properties": {"GroupDescription": "contract test", "VpcId": {"Ref": "Vpc"}},
}

READ_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


@pytest.fixture
def stacks(embedded_aws: EmbeddedAws) -> StackDriver:
    return StackDriver(embedded_aws)


def deploy(stacks: StackDriver, resources: dict[str, Any], **outputs: Any) -> Any:
    template = {
        "Resources": resources,
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    stack = stacks.create(template)
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return stack


def test_vpc_tells_its_cidr_block_when_asked(stacks: StackDriver) -> None:
    stack = deploy(stacks, {"Vpc": VPC}, Cidr={"Fn::GetAtt": ["Vpc", "CidrBlock"]})

    assert stack.outputs["Cidr"] == "10.7.0.0/16"


def test_nat_gateway_stands_in_its_subnet_when_given_an_address(stacks: StackDriver) -> None:
    nat = {
        "SubnetId": {"Ref": "Subnet"},
        "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
    }
    stack = deploy(
        stacks,
        {
            "Vpc": VPC,
            "Subnet": SUBNET,
            "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
            "Nat": {"Type": "AWS::EC2::NatGateway", "Properties": nat},
            "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
            "Route": {
                "Type": "AWS::EC2::Route",
                "Properties": {
                    "RouteTableId": {"Ref": "Table"},
                    "DestinationCidrBlock": "0.0.0.0/0",
                    "NatGatewayId": {"Ref": "Nat"},
                },
            },
        },
        Address={"Ref": "Address"},
    )

    ec2 = stacks.aws.client("ec2")
    nat_id = stacks.physical_id(stack, "Nat")
    found = ec2.describe_nat_gateways(NatGatewayIds=[nat_id])["NatGateways"][0]
    assert found["SubnetId"] == stacks.physical_id(stack, "Subnet")
    assert stack.outputs["Address"] in [
        a["PublicIp"] for a in ec2.describe_addresses()["Addresses"]
    ]

    assert stacks.delete(stack).status == "DELETE_COMPLETE"
    left = [a["PublicIp"] for a in ec2.describe_addresses()["Addresses"]]
    assert stack.outputs["Address"] not in left


@pytest.mark.parametrize(
    ("direction", "peer", "permissions"),
    [
        ("Ingress", "SourceSecurityGroupId", "IpPermissions"),
        ("Egress", "DestinationSecurityGroupId", "IpPermissionsEgress"),
    ],
)
def test_rule_is_in_the_group_when_declared_apart(
    stacks: StackDriver, direction: str, peer: str, permissions: str
) -> None:
    rule = {
        "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
        "IpProtocol": "tcp",
        "FromPort": "8080",
        "ToPort": 8081,
        peer: {"Fn::GetAtt": ["Group", "GroupId"]},
    }
    resources = {
        "Vpc": VPC,
        "Group": GROUP,
        "Rule": {"Type": f"AWS::EC2::SecurityGroup{direction}", "Properties": rule},
    }
    stack = deploy(stacks, resources)

    group_id = stacks.physical_id(stack, "Group")
    assert (8080, 8081, [group_id]) in _rules(stacks, group_id, permissions)

    without_rule = {"Resources": {name: resources[name] for name in ("Vpc", "Group")}}
    assert stacks.update(stack, without_rule).status == "UPDATE_COMPLETE"
    assert (8080, 8081, [group_id]) not in _rules(stacks, group_id, permissions)


def _rules(stacks: StackDriver, group_id: str, permissions: str) -> list[tuple[Any, ...]]:
    group = stacks.aws.client("ec2").describe_security_groups(GroupIds=[group_id])
    return [
        (rule.get("FromPort"), rule.get("ToPort"), [p["GroupId"] for p in rule["UserIdGroupPairs"]])
        for rule in group["SecurityGroups"][0][permissions]
    ]


def test_cluster_has_the_default_strategy_when_associated(stacks: StackDriver) -> None:
    strategy = [
        {"CapacityProvider": "FARGATE", "Base": 1, "Weight": 1},
        {"CapacityProvider": "FARGATE_SPOT", "Weight": "4"},
    ]
    stack = deploy(
        stacks,
        {
            "Cluster": {"Type": "AWS::ECS::Cluster"},
            "Providers": {
                "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
                "Properties": {
                    "Cluster": {"Ref": "Cluster"},
                    "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
                    "DefaultCapacityProviderStrategy": strategy,
                },
            },
        },
    )

    cluster = stacks.aws.client("ecs").describe_clusters(
        clusters=[stacks.physical_id(stack, "Cluster")]
    )["clusters"][0]
    assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    weights = [
        (one["capacityProvider"], one["weight"])
        for one in cluster["defaultCapacityProviderStrategy"]
    ]
    assert weights == [("FARGATE", 1), ("FARGATE_SPOT", 4)]
    assert stacks.delete(stack).status == "DELETE_COMPLETE"


ALL_OF_MINISTACK = {
    "Vpc": VPC,
    "Subnet": SUBNET,
    "Endpoint": {
        "Type": "AWS::EC2::VPCEndpoint",
        "Properties": {
            "VpcId": {"Ref": "Vpc"},
            "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
            "VpcEndpointType": "Gateway",
        },
    },
    "Namespace": {
        "Type": "AWS::ServiceDiscovery::PrivateDnsNamespace",
        "Properties": {"Name": {"Fn::Sub": "${AWS::StackName}.internal"}, "Vpc": {"Ref": "Vpc"}},
    },
    "Discovery": {
        "Type": "AWS::ServiceDiscovery::Service",
        "Properties": {
            "Name": "api-server",
            "NamespaceId": {"Ref": "Namespace"},
            "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 10}]},
        },
    },
    "Bucket": {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "VersioningConfiguration": {"Status": "Enabled"},
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        },
    },
    "BucketPolicy": {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            },
        },
    },
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
    },
    "Policy": {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "read",
            "Roles": [{"Ref": "Role"}],
            "PolicyDocument": READ_ALL,
        },
    },
    "RolePolicy": {
        "Type": "AWS::IAM::RolePolicy",
        "Properties": {
            "PolicyName": "write",
            "RoleName": {"Ref": "Role"},
            "PolicyDocument": READ_ALL,
        },
    },
    "LogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
    "ScheduleGroup": {"Type": "AWS::Scheduler::ScheduleGroup"},
    "ParameterGroup": {
        "Type": "AWS::RDS::DBParameterGroup",
        "Properties": {"Family": "postgres16", "Description": "contract test"},
    },
    "SubnetGroup": {
        "Type": "AWS::RDS::DBSubnetGroup",
        "Properties": {"DBSubnetGroupDescription": "x", "SubnetIds": [{"Ref": "Subnet"}]},
    },
}


def test_stack_comes_and_goes_when_it_uses_what_is_expected_of_ministack(
    stacks: StackDriver,
) -> None:
    stack = deploy(stacks, ALL_OF_MINISTACK)

    iam = stacks.aws.client("iam")
    role = stacks.physical_id(stack, "Role")
    assert sorted(iam.list_role_policies(RoleName=role)["PolicyNames"]) == ["read", "write"]
    bucket = stacks.physical_id(stack, "Bucket")
    assert "SecureTransport" in stacks.aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]
    group = stacks.physical_id(stack, "LogGroup")
    found = stacks.aws.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert found[0]["retentionInDays"] == 30
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
