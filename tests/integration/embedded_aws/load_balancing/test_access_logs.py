"""Which buckets take the access logs of a load balancer and of CloudFront."""

from pathlib import Path
from typing import Any

import pytest

from ..stack_driver import Stack, StackDriver

NESTED = Path(__file__).parents[4] / "nested"
DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
KMS = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
S3 = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def balancer(bucket: Any, prefix: str = "balancer") -> dict[str, Any]:
    values = {
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": bucket,
        "access_logs.s3.prefix": prefix,
    }
    return {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Properties": {
            "Type": "application",
            "Scheme": "internal",
            "Subnets": ["subnet-1", "subnet-2"],
            "LoadBalancerAttributes": [{"Key": k, "Value": v} for k, v in values.items()],
        },
    }


def with_bucket(
    stacks: StackDriver, principal: str = DELIVERY, prefix: str = "balancer", rule: Any = S3
) -> Stack:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": "s3:PutObject",
        "Resource": {"Fn::Sub": "${Bucket.Arn}/balancer/AWSLogs/${AWS::AccountId}/*"},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return stacks.create(
        {
            "Resources": {
                "Bucket": {
                    "Type": "AWS::S3::Bucket",
                    "Properties": {
                        "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]}
                    },
                },
                "Policy": {
                    "Type": "AWS::S3::BucketPolicy",
                    "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy},
                },
                "Balancer": {
                    **balancer({"Ref": "Bucket"}, prefix), "DependsOn": "Policy",
                },
            }
        }
    )  # fmt: skip


def test_load_balancer_logs_into_a_bucket_that_admits_it(stacks: StackDriver) -> None:
    stack = with_bucket(stacks)

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)


@pytest.mark.parametrize(
    "change",
    [{"principal": "delivery.logs.amazonaws.com"}, {"prefix": "other"}, {"rule": KMS}],
    ids=["another service", "another folder", "KMS"],
)
def test_load_balancer_is_refused_a_bucket_that_it_cannot_write(
    stacks: StackDriver, change: dict[str, Any]
) -> None:
    stack = with_bucket(stacks, **change)

    assert "Access Denied for bucket" in stacks.failures(stack)["Balancer"]


def test_load_balancer_is_refused_a_bucket_that_does_not_exist(stacks: StackDriver) -> None:
    stack = stacks.create({"Resources": {"Balancer": balancer("there-is-no-such-bucket")}})

    assert "does not exist" in stacks.failures(stack)["Balancer"]


@pytest.mark.parametrize(("mode", "takes_logs"), [("cloudfront", True), ("load-balancer", False)])
def test_bucket_of_the_template_takes_logs_of_cloudfront_where_there_is_one(
    stacks: StackDriver, mode: str, *, takes_logs: bool
) -> None:
    text = (NESTED / "access-logs.yaml").read_text()
    bucket = stacks.create(text, IngressMode=mode, LogDays="14")
    assert bucket.status == "CREATE_COMPLETE", stacks.failures(bucket)
    origin = {
        "Id": "balancer",
        "DomainName": "example.com",
        "CustomOriginConfig": {"OriginProtocolPolicy": "http-only"},
    }
    config = {
        "Enabled": True,
        "Origins": [origin],
        "DefaultCacheBehavior": {
            "TargetOriginId": "balancer",
            "ViewerProtocolPolicy": "redirect-to-https",
            "CachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
        },
        "Logging": {"Bucket": bucket.outputs["AccessLogBucketDomain"], "Prefix": "cloudfront/"},
    }
    properties = {"DistributionConfig": config}
    distribution = {"Type": "AWS::CloudFront::Distribution", "Properties": properties}

    stack = stacks.create({"Resources": {"Distribution": distribution}})
    # An origin outside a VPC is refused here, after the logs have been looked at.
    refusal = "is not a VPC origin" if takes_logs else "does not enable ACL access"
    assert refusal in stacks.failures(stack)["Distribution"]
