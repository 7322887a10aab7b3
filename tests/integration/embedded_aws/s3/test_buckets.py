"""Contract: CloudFormation deletes empty buckets only."""

import pytest

from ..stack_driver import StackDriver


@pytest.mark.parametrize("versioned", [False, True])
def test_deletion_fails_until_the_bucket_is_empty_when_it_holds_something(
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
