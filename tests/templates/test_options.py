"""The words access-logs, flow-logs, waf and others: what they create, and what AWS would refuse."""

import json
from typing import Any

import pytest
from api_limits import as_on_aws
from dry_deployment import DryStack, deploy

from embedded_aws.limits.resources import findings
from embedded_aws.limits.tables import limits_of
from run_airflow_command.maintenance import ROTATED_BY_SCHEDULE

CIDR = {"IngressCidr": "203.0.113.0/24"}
PLAIN = {"IngressMode": "http-without-tls", **CIDR}
INTERNAL = {"IngressMode": "internal", **CIDR}


def web_acl(scheme: str = "Internal", **parameters: str) -> DryStack:
    balancer = deploy(Options="waf", **parameters).child("IngressStack")
    return balancer.child(f"{scheme}LoadBalancerStack").child("WebAclStack")


def rule(stack: DryStack, name: str) -> dict[str, Any]:
    rules = stack.properties("WebAcl")["Rules"]
    return next(each for each in rules if each["Name"] == name)


@pytest.mark.parametrize(
    ("parameters", "scheme", "counted_by"),
    [
        # CloudFront opens every connection, so its own address is the same for everybody.
        ({}, "Internal", "FORWARDED_IP"),
        (INTERNAL, "Internal", "IP"),
        (PLAIN, "Public", "IP"),
    ],
)
def test_web_acl_is_on_the_load_balancer_and_counts_by_the_address_of_the_client(
    parameters: dict[str, str], scheme: str, counted_by: str
) -> None:
    stack = web_acl(scheme, **parameters)
    statement = rule(stack, "address")["Statement"]["RateBasedStatement"]

    assert stack.properties("WebAcl")["Scope"] == "REGIONAL"
    association = stack.properties("WebAclAssociation")
    assert association["ResourceArn"] == (
        f"<airflow/IngressStack/{scheme}LoadBalancerStack/LoadBalancer>"
    )
    assert statement["AggregateKeyType"] == counted_by
    header = statement.get("ForwardedIPConfig", {}).get("HeaderName")
    assert header == ("X-Forwarded-For" if counted_by == "FORWARDED_IP" else None)


def test_sign_ins_are_limited_for_all_addresses_together() -> None:
    """A client behind CloudFront can write the first address of X-Forwarded-For itself."""
    limited = rule(web_acl(), "sign-ins")
    statement = limited["Statement"]["RateBasedStatement"]
    path, method = (
        each["ByteMatchStatement"]
        for each in statement["ScopeDownStatement"]["AndStatement"]["Statements"]
    )

    assert statement["AggregateKeyType"] == "CONSTANT"
    # 0.145 s of CPU each, as measured: a quarter of one CPU at most.
    assert statement["Limit"] / statement["EvaluationWindowSec"] * 0.145 < 0.25
    assert (path["PositionalConstraint"], path["SearchString"]) == ("STARTS_WITH", "/auth/")
    assert "URL_DECODE" in [each["Type"] for each in path["TextTransformations"]]
    assert (method["FieldToMatch"], method["SearchString"]) == ({"Method": {}}, "POST")
    assert limited["Action"] == {"Block": {}}


def test_common_rules_do_not_block_what_airflow_sends() -> None:
    group = rule(web_acl(), "common")["Statement"]["ManagedRuleGroupStatement"]
    counted = {
        each["Name"]
        for each in group["RuleActionOverrides"]
        if each["ActionToUse"] == {"Count": {}}
    }

    assert counted >= {
        "SizeRestrictions_BODY",
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
    }


def test_flow_log_has_the_refused_connections_of_the_network_of_the_stack() -> None:
    stack = deploy(EnvironmentClass="small", Options="flow-logs").child("NetworkStack")
    log = stack.child("FlowLogsStack")
    flow_log = log.properties("FlowLog")

    assert flow_log["ResourceId"] == "<airflow/NetworkStack/Vpc>"
    assert flow_log["TrafficType"] == "REJECT"
    assert str(log.properties("FlowLogGroup")["RetentionInDays"]) == "30"


RATE = {"AggregateKeyType": "IP", "Limit": 100}


def acl(statement: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Rules": [{"Name": "a", "Priority": 0, "Statement": statement, **more}]}


@pytest.mark.parametrize(
    ("kind", "properties", "refusal"),
    [
        ("WAFv2::WebACL", acl({"RateBasedStatement": {**RATE, "Limit": 9}}, Action={}), "Limit"),
        (
            "WAFv2::WebACL",
            acl({"RateBasedStatement": {**RATE, "AggregateKeyType": "CONSTANT"}}, Action={}),
            "without ScopeDownStatement",
        ),
        (
            "WAFv2::WebACL",
            acl({"RateBasedStatement": {**RATE, "AggregateKeyType": "FORWARDED_IP"}}, Action={}),
            "without ForwardedIPConfig",
        ),
        (
            "WAFv2::WebACL",
            acl({"RateBasedStatement": {**RATE, "EvaluationWindowSec": 90}}, Action={}),
            "EvaluationWindowSec",
        ),
        (
            "WAFv2::WebACL",
            acl({"ManagedRuleGroupStatement": {}}, Action={}),
            "needs OverrideAction and no Action",
        ),
        ("EC2::FlowLog", {"TrafficType": "NONE", "DeliverLogsPermissionArn": "x"}, "TrafficType"),
        ("EC2::FlowLog", {"ResourceId": "vpc-1"}, "can't be empty"),
        (
            "EC2::FlowLog",
            {
                "LogDestinationType": "s3",
                "DeliverLogsPermissionArn": "arn:aws:iam::123456789012:role/a",
            },
            "not applicable for s3",
        ),
    ],
)
def test_what_the_service_refuses_is_in_the_table_of_limits(
    kind: str, properties: dict[str, Any], refusal: str
) -> None:
    limits = limits_of(f"AWS::{kind}")
    assert limits is not None

    assert any(refusal in str(found) for found in findings(limits, as_on_aws(properties)))


def test_access_logs_of_load_balancer_and_cloudfront_go_to_one_bucket_and_end() -> None:
    ingress = deploy(EnvironmentClass="small", Options="access-logs").child("IngressStack")
    logs = ingress.child("AccessLogsStack")
    bucket = logs.properties("AccessLogBucket")
    balancer = ingress.child("InternalLoadBalancerStack").properties("LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    (_deny, allow) = logs.properties("AccessLogBucketPolicy")["PolicyDocument"]["Statement"]

    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == f"<{logs.path}/AccessLogBucket>"
    prefix = attributes["access_logs.s3.prefix"]
    assert allow["Resource"].endswith(f".Arn>/{prefix}/AWSLogs/<account>/*")
    distribution = ingress.properties("Distribution")["DistributionConfig"]
    assert distribution["Logging"]["Bucket"] == f"<{logs.path}/AccessLogBucket.DomainName>"
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert str(rule["ExpirationInDays"]) == "30"
    # Load balancers cannot write with a key of KMS, CloudFront cannot without ACLs.
    assert "KMS" not in str(bucket)
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerPreferred"}]


def test_without_the_word_nothing_logs_access() -> None:
    ingress = deploy().child("IngressStack")
    balancer = ingress.child("InternalLoadBalancerStack").properties("LoadBalancer")

    enabled = {"Key": "access_logs.s3.enabled", "Value": "false"}
    assert enabled in balancer["LoadBalancerAttributes"]
    assert "Logging" not in ingress.properties("Distribution")["DistributionConfig"]


def test_rotations_are_scheduled_hours_apart_for_what_the_function_accepts() -> None:
    commands = deploy(Options="rotate-secrets").child("CommandsStack")
    schedules = commands.child("RotationSchedulesStack")
    found = [schedules.properties(name) for name in schedules.resources]
    inputs = [json.loads(each["Target"]["Input"])["maintenance"] for each in found]
    hours = sorted(int(each["ScheduleExpression"].split()[1]) for each in found)

    assert sorted(inputs) == [f"rotate-secret {name}" for name in sorted(ROTATED_BY_SCHEDULE)]
    # The weekly cleaning starts between three and four on Sundays.
    assert hours[0] > 4
    assert len(set(hours)) == len(hours)
    assert {each["Target"]["RoleArn"] for each in found} == {"<airflow/CommandsStack/TickRole.Arn>"}
    # The role trusts the schedules of this group only.
    assert {each["GroupName"] for each in found} == {"<airflow/CommandsStack/ScheduleGroup>"}


@pytest.mark.parametrize(
    ("options", "severity"),
    [
        ("", "none"),
        ("x86,waf", "none"),
        ("refuse-critical", "CRITICAL"),
        ("exec,refuse-high", "HIGH"),
        # The lower severity contains the other.
        ("refuse-critical,refuse-high", "HIGH"),
        ("refuse-high,refuse-critical", "HIGH"),
    ],
)
def test_word_chooses_the_severity_that_refuses_an_image(options: str, severity: str) -> None:
    stack = deploy(Options=options)
    image = stack.child("ImageStack")

    # A property of the custom resource: CloudFormation asks again when the word changes.
    assert image.properties("Image")["RefusedFindings"] == severity
    assert image.properties("Repository")["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert stack.output("AirflowImageFindings") == "<airflow/ImageStack/Image.Findings>"


def test_builder_reads_the_scans_of_its_own_repository_only() -> None:
    role = deploy(Options="refuse-high").child("ImageStack").properties("BuildImageRole")
    (statement,) = [
        each
        for policy in role["Policies"]
        for each in policy["PolicyDocument"]["Statement"]
        if "ecr:DescribeImageScanFindings" in each["Action"]
    ]

    assert statement["Resource"] == "<airflow/ImageStack/Repository.Arn>"
    assert not [action for action in statement["Action"] if "Delete" in action or "*" in action]
