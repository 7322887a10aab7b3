"""AWS::CloudFront::Distribution on the HTTPS port of this machine.

ministack 1.5.33 accepts any configuration of a template. CloudFront refuses references to what does
not exist; what the embedded AWS cannot do is refused as well, so that nothing only seems to work.
"""

import time
from typing import Any

from botocore.exceptions import ClientError
from ministack.services import acm, cloudfront

from embedded_aws.cloudformation.engine import Created, Properties, handlers_of, own_client
from embedded_aws.cloudfront import edge
from embedded_aws.settings import Settings

_CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
_LONGEST_READ_TIMEOUT_SECONDS = 120  # A longer one needs a higher quota.


class DistributionError(ValueError):
    """CloudFront would refuse the distribution, or the embedded AWS cannot emulate it."""


def install(settings: Settings) -> None:
    handlers = handlers_of("AWS::CloudFront::Distribution")
    create_distribution, update_distribution = handlers["create"], handlers["update"]
    domain_name = f"localhost:{settings.https_port}"

    def reachable(created: Created) -> Created:
        distribution_id, attributes = created
        cloudfront._distributions[distribution_id]["DomainName"] = domain_name
        return distribution_id, {**attributes, "DomainName": domain_name}

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        _check_logging(settings, properties)
        _refuse_what_does_not_work(properties)
        created = reachable(create_distribution(logical_id, properties, stack_name))
        edge.remember(created[0], time.time())
        return created

    def update(
        distribution_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        _check_logging(settings, new)
        _refuse_what_does_not_work(new)
        return reachable(update_distribution(distribution_id, old, new, stack_name, logical_id))

    handlers.update(create=create, update=update, update_with_logical_id=True)


def _check_logging(settings: Settings, properties: Properties) -> None:
    """CloudFront writes its standard logs by an ACL, so the bucket must allow ACLs."""
    logging = (properties.get("DistributionConfig") or {}).get("Logging")
    if not logging:
        return
    bucket = logging["Bucket"].partition(".s3")[0]
    s3 = own_client(settings, "s3")
    try:
        controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
        ownership = controls["Rules"][0]["ObjectOwnership"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise DistributionError(
                f"InvalidArgument: the bucket of CloudFront's logs does not exist: {bucket}"
            ) from error
        ownership = "BucketOwnerEnforced"  # as for every new bucket
    if ownership == "BucketOwnerEnforced":
        raise DistributionError(
            "InvalidArgument: The S3 bucket that you specified for CloudFront logs does not "
            f"enable ACL access: {logging['Bucket']}"
        )


def _refuse_what_does_not_work(properties: Properties) -> None:
    config = properties.get("DistributionConfig") or {}
    origins = {origin["Id"]: origin for origin in config.get("Origins") or []}
    behavior = config.get("DefaultCacheBehavior") or {}
    if behavior.get("TargetOriginId") not in origins:
        raise DistributionError(
            f"NoSuchOrigin: the default cache behavior names origin "
            f"'{behavior.get('TargetOriginId')}', which is not among the origins."
        )
    for origin in origins.values():
        _check_origin(origin)
    _check_behavior(behavior)
    for other in config.get("CacheBehaviors") or []:
        if other.get("TargetOriginId") not in origins:
            raise DistributionError(f"NoSuchOrigin: {other.get('TargetOriginId')}")
        _check_behavior(other)
    _check_names(config)


def _check_origin(origin: dict[str, Any]) -> None:
    vpc = origin.get("VpcOriginConfig")
    if not vpc:
        raise DistributionError(
            f"Origin {origin['Id']} is not a VPC origin. The embedded AWS emulates no other kind."
        )
    if vpc.get("VpcOriginId") not in cloudfront._vpc_origins:
        raise DistributionError(
            f"EntityNotFound: the VPC origin {vpc.get('VpcOriginId')} does not exist."
        )
    timeout = int(vpc.get("OriginReadTimeout", 30))
    if not 1 <= timeout <= _LONGEST_READ_TIMEOUT_SECONDS:
        raise DistributionError(
            f"InvalidOriginReadTimeout: {timeout} is not from 1 to {_LONGEST_READ_TIMEOUT_SECONDS} "
            "seconds."
        )


def _check_behavior(behavior: dict[str, Any]) -> None:
    cache_policy = behavior.get("CachePolicyId")
    if cache_policy != _CACHING_DISABLED:
        raise DistributionError(
            "The embedded AWS caches nothing: a behavior needs the managed cache policy "
            f"CachingDisabled ({_CACHING_DISABLED}), not {cache_policy or 'ForwardedValues'}."
        )
    request_policy = behavior.get("OriginRequestPolicyId")
    if request_policy and cloudfront.origin_request_policy_config(request_policy) is None:
        raise DistributionError(
            f"NoSuchOriginRequestPolicy: the origin request policy {request_policy} does not exist."
        )
    headers_policy = behavior.get("ResponseHeadersPolicyId")
    if headers_policy and cloudfront.response_headers_policy_config(headers_policy) is None:
        raise DistributionError(
            f"NoSuchResponseHeadersPolicy: the policy {headers_policy} does not exist."
        )


def _check_names(config: dict[str, Any]) -> None:
    arn = (config.get("ViewerCertificate") or {}).get("AcmCertificateArn")
    if config.get("Aliases") and not arn:
        raise DistributionError(
            "InvalidViewerCertificate: to add an alternate domain name to a CloudFront "
            "distribution, attach a trusted certificate that covers it."
        )
    if not arn:
        return
    certificate = acm._certificates.get(arn)
    if certificate is None or ":us-east-1:" not in arn:
        raise DistributionError(
            "InvalidViewerCertificate: the specified SSL certificate doesn't exist, isn't in "
            "us-east-1 region, isn't valid, or doesn't include a valid certificate chain."
        )
    names = {certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])}
    for alias in config.get("Aliases") or []:
        if not {alias, f"*.{alias.partition('.')[2]}"} & names:
            raise DistributionError(
                f"InvalidViewerCertificate: the certificate does not cover the domain name {alias}."
            )
