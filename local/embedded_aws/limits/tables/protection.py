"""AWS WAF and VPC flow logs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from embedded_aws.limits.resources import Resource
from embedded_aws.limits.rules import Choice, Number, Text, Unlimited
from embedded_aws.limits.tables.network import ARN, EC2_ID

# https://docs.aws.amazon.com/waf/latest/APIReference/API_RateBasedStatement.html
_LIMIT: Final = Number("WAF: RateBasedStatement", 10, 2_000_000_000)
_WINDOW: Final = Number("WAF: RateBasedStatement", allowed=(60, 120, 300, 600))


def _rules(properties: Mapping[str, Any]) -> Iterator[str]:
    rules = properties.get("Rules") or []
    for name in ("Name", "Priority"):
        values = [rule.get(name) for rule in rules]
        for value in sorted({str(one) for one in values if values.count(one) > 1}):
            yield f"Rules have the {name} {value} twice (WAF)"
    for rule in rules:
        statement = rule.get("Statement") or {}
        is_group = "ManagedRuleGroupStatement" in statement
        wanted, other = ("OverrideAction", "Action") if is_group else ("Action", "OverrideAction")
        if wanted not in rule or other in rule:
            yield f"Rule {rule.get('Name')} needs {wanted} and no {other} (WAF)"
        if "RateBasedStatement" in statement:
            yield from _rate(rule.get("Name"), statement["RateBasedStatement"])


def _rate(name: Any, statement: Mapping[str, Any]) -> Iterator[str]:
    kind = statement.get("AggregateKeyType")
    if kind == "FORWARDED_IP" and "ForwardedIPConfig" not in statement:
        yield f"Rule {name} counts by FORWARDED_IP without ForwardedIPConfig (WAF)"
    if kind == "IP" and "ForwardedIPConfig" in statement:
        yield f"Rule {name} counts by IP, and has a ForwardedIPConfig (WAF)"
    if kind == "CONSTANT" and "ScopeDownStatement" not in statement:
        yield f"Rule {name} counts everything without ScopeDownStatement (WAF)"
    for problem in _LIMIT.problems(statement.get("Limit")):
        yield f"Rule {name}: Limit {problem}"
    for problem in _WINDOW.problems(statement.get("EvaluationWindowSec", 300)):
        yield f"Rule {name}: EvaluationWindowSec {problem}"


def _flow_log(properties: Mapping[str, Any]) -> Iterator[str]:
    to_logs = properties.get("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
    if to_logs and not properties.get("DeliverLogsPermissionArn"):
        yield "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs"
    if not to_logs and properties.get("DeliverLogsPermissionArn"):
        yield "DeliverLogsPermissionArn is not applicable for s3 delivery"


# A web ACL nests its statements in each other, so their paths have no end.
_STATEMENT: Final = Unlimited("looked at by the check of the rules")

LIMITS: Final = {
    "AWS::WAFv2::WebACL": Resource(
        "wafv2:CreateWebACL",
        rules={"Rules[].Statement": _STATEMENT},
        checks=(_rules,),
    ),
    "AWS::WAFv2::WebACLAssociation": Resource("wafv2:AssociateWebACL", rules={"WebACLArn": ARN}),
    "AWS::EC2::FlowLog": Resource(
        rules={
            "ResourceId": EC2_ID,
            "ResourceType": Choice("EC2", ("VPC", "Subnet", "NetworkInterface")),
            "TrafficType": Choice("EC2", ("ACCEPT", "REJECT", "ALL")),
            "LogDestinationType": Choice("EC2", ("cloud-watch-logs", "s3")),
            "LogDestination": ARN,
            "LogGroupName": Text("CloudWatch Logs", r"[.\-_/#A-Za-z0-9]+", most=512),
            "DeliverLogsPermissionArn": ARN,
            "MaxAggregationInterval": Number("EC2: CreateFlowLogs", allowed=(60, 600)),
        },
        checks=(_flow_log,),
    ),
}
