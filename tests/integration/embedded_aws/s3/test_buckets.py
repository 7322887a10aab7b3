"""Contract: CloudFormation deletes empty buckets only."""

import pytest
from botocore.exceptions import ClientError

from ..stack_driver import EXECUTION_ROLE, StackDriver


@pytest.mark.parametrize("versioned", [False, True])
def test_deletion_of_a_stack_fails_until_its_bucket_is_empty(
    stacks: StackDriver, versioned: bool
) -> None:
    versioning = {"VersioningConfiguration": {"Status": "Enabled"}} if versioned else {}
    stack = stacks.create(
        {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": versioning}}}
    )
    s3, name = stacks.aws.client("s3"), stacks.physical_id(stack, "Bucket")
    s3.put_object(Bucket=name, Key="something", Body=b"x")

    assert stacks.delete(stack).status == "DELETE_FAILED"
    assert "not empty" in stacks.failures(stack)["Bucket"]

    versions = s3.list_object_versions(Bucket=name)["Versions"]
    for version in versions:
        s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


# Writes an object during the creation of the stack, as a service of the stack would, and fails.
WRITER = """
    import boto3, json, urllib.request

    def handler(event, context):
        status = "SUCCESS"
        if event["RequestType"] == "Create":
            bucket = event["ResourceProperties"]["Bucket"]
            boto3.client("s3").put_object(Bucket=bucket, Key="release", Body=b"x")
            status = "FAILED"
        answer = {
            "Status": status, "Reason": "on purpose", "PhysicalResourceId": "writer",
            "StackId": event["StackId"], "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
        }
        body = json.dumps(answer).encode()
        urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], body, method="PUT"))
"""


@pytest.mark.parametrize("nested", [False, True])
def test_rollback_of_a_creation_fails_at_a_bucket_that_something_was_written_to(
    stacks: StackDriver, nested: bool
) -> None:
    template = {
        "Resources": {
            "Role": EXECUTION_ROLE,
            "Function": stacks.function(WRITER),
            "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate"},
            "Writer": {
                "Type": "Custom::Writer",
                "Properties": {
                    "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                    "Bucket": {"Ref": "Bucket"},
                },
            },
        }
    }
    if nested:
        url = stacks.upload(template)
        child = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
        template = {"Resources": {"Child": child}}

    stack = stacks.create(template)

    assert stack.status == "ROLLBACK_FAILED"
    assert "not empty" in stacks.failures(stack)["Child" if nested else "Bucket"]


def test_delete_bucket_is_refused_while_it_holds_something(stacks: StackDriver) -> None:
    s3 = stacks.aws.client("s3")
    s3.create_bucket(Bucket="not-empty")
    s3.put_object(Bucket="not-empty", Key="something", Body=b"x")

    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="not-empty")

    s3.delete_object(Bucket="not-empty", Key="something")
    s3.delete_bucket(Bucket="not-empty")
