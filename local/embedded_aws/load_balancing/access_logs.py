"""Access logs of a load balancer: a test file is written when they are turned on.

It is refused when the bucket does not exist, has a key of KMS, or has a policy that does not admit
the log delivery under the prefix. ministack 1.5.33 takes any attribute. No log is written here.
"""

from typing import Any

from ministack.services import s3

from embedded_aws.authorization import engine
from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.settings import ACCOUNT_ID, Settings

_DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
_NO_ENCRYPTION_BUT_S3 = "aws:kms"


class AccessLogsError(ValueError):
    """Elastic Load Balancing would refuse the bucket of access logs."""


def install(settings: Settings) -> None:
    handlers = handlers_of("AWS::ElasticLoadBalancingV2::LoadBalancer")
    create, update = handlers["create"], handlers["update"]

    def create_legal(logical_id: str, properties: Properties, stack_name: str) -> Created:
        _check(properties)
        created: Created = create(logical_id, properties, stack_name)
        return created

    def update_legal(arn: str, old: Properties, new: Properties, *more: Any) -> Created:
        _check(new)
        updated: Created = update(arn, old, new, *more)
        return updated

    handlers.update(create=create_legal, update=update_legal)


def _check(properties: Properties) -> None:
    attributes = {
        each["Key"]: str(each["Value"]) for each in properties.get("LoadBalancerAttributes") or ()
    }
    if attributes.get("access_logs.s3.enabled", "false").lower() != "true":
        return
    bucket = attributes.get("access_logs.s3.bucket", "")
    if bucket not in s3._buckets:
        raise AccessLogsError(f"InvalidConfigurationRequest: S3 bucket does not exist: {bucket}")
    prefix = attributes.get("access_logs.s3.prefix", "")
    folder = f"{prefix}/AWSLogs" if prefix else "AWSLogs"
    test_file = f"arn:aws:s3:::{bucket}/{folder}/{ACCOUNT_ID}/ELBAccessLogTestFile"
    has_other_key = _NO_ENCRYPTION_BUT_S3 in (s3._bucket_encryption.get(bucket) or "")
    policy = s3._bucket_policies.get(bucket) or "{}"
    policies = engine.policies_of(f"bucket/{bucket}", {"policy": policy})
    decision = engine.decide_by_resource(policies, _DELIVERY, "s3:PutObject", test_file, {})
    if has_other_key or not decision.allowed:
        raise AccessLogsError(
            "InvalidConfigurationRequest: Access Denied for bucket: "
            f"{bucket}. Please check S3bucket permission"
        )
