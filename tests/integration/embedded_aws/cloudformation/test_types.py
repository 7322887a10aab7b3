"""Contract: types that the project's templates use, and that come with ministack, work."""

from ..stack_driver import SUBNET, VPC, StackDriver, deploy

READ_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


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


def test_types_of_ministack_are_created_and_deleted(
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
