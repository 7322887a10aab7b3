"""Security groups: rules as separate resources, prefix lists, and legal descriptions.

ministack 1.5.33 has no SecurityGroupIngress and SecurityGroupEgress in CloudFormation, drops prefix
lists from requests, and accepts any text as a description. EC2 accepts few characters: an
apostrophe in a rule's description fails a request. Templates are checked in cloudformation/limits.
"""

from typing import Any

from ministack.services import ec2

from embedded_aws.cloudformation.engine import (
    Created,
    Properties,
    own_client,
    register,
)
from embedded_aws.limits.tables.network import EC2_DESCRIPTION
from embedded_aws.settings import Settings

GROUP = "AWS::EC2::SecurityGroup"
_SET = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
_CODE = "InvalidParameterValue"
_PEERS = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")


def install(settings: Settings) -> None:
    for direction in ("Ingress", "Egress"):
        _register_security_group_rule(settings, direction)
    _keep_prefix_lists()
    _refuse_descriptions_of_requests()


def _keep_prefix_lists() -> None:
    parse = ec2._parse_ip_permissions

    def parse_with_prefix_lists(params: dict[str, Any], prefix: str) -> Any:
        rules = parse(params, prefix)
        for number, rule in enumerate(rules, start=1):
            place = 1
            while identifier := ec2._p(
                params, f"{prefix}.{number}.PrefixListIds.{place}.PrefixListId"
            ):
                entry = {"PrefixListId": identifier}
                note = ec2._p(params, f"{prefix}.{number}.PrefixListIds.{place}.Description")
                rule["PrefixListIds"].append({**entry, "Description": note} if note else entry)
                place += 1
        return rules

    ec2._parse_ip_permissions = parse_with_prefix_lists


def _refuse_descriptions_of_requests() -> None:
    create_group = ec2._ACTION_MAP["CreateSecurityGroup"]

    def create(params: dict[str, Any]) -> Any:
        return _refusal("security group", ec2._p(params, "GroupDescription")) or create_group(
            params
        )

    ec2._ACTION_MAP["CreateSecurityGroup"] = create
    for direction in ("Ingress", "Egress"):
        _refuse_descriptions_of_rules(f"AuthorizeSecurityGroup{direction}")


def _refuse_descriptions_of_rules(action: str) -> None:
    handle = ec2._ACTION_MAP[action]

    def handle_legal(params: dict[str, Any]) -> Any:
        for rule in ec2._parse_ip_permissions(params, "IpPermissions"):
            for entry in (one for peers in _PEERS for one in rule.get(peers, [])):
                refusal = _refusal("rule", entry.get("Description", ""))
                if refusal:
                    return refusal
        return handle(params)

    ec2._ACTION_MAP[action] = handle_legal


def _sentence(what: str) -> str:
    return (
        f"Invalid {what} description. Valid descriptions are strings less than 256 characters from "
        f"the following set: {_SET}"
    )


def _refusal(what: str, description: str | None) -> Any:
    if not list(EC2_DESCRIPTION.problems(description or "")):
        return None
    return ec2._error(_CODE, _sentence(what), 400)


def _register_security_group_rule(settings: Settings, direction: str) -> None:
    """SecurityGroupIngress and SecurityGroupEgress: one rule of an existing group."""
    verb = direction.lower()

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        authorize = getattr(own_client(settings, "ec2"), f"authorize_security_group_{verb}")
        answer = authorize(GroupId=properties["GroupId"], IpPermissions=[permission(properties)])
        rules = answer.get("SecurityGroupRules") or []
        if not rules:
            raise ValueError(f"The rule of {logical_id} was not added to {properties['GroupId']}")
        rule_id = rules[0]["SecurityGroupRuleId"]
        return rule_id, {"Id": rule_id}

    def delete(rule_id: str, properties: Properties) -> None:
        revoke = getattr(own_client(settings, "ec2"), f"revoke_security_group_{verb}")
        revoke(GroupId=properties["GroupId"], IpPermissions=[permission(properties)])

    register(f"AWS::EC2::SecurityGroup{direction}", create, delete)


def permission(properties: Properties) -> dict[str, Any]:
    """A rule's properties in the form of the EC2 API."""
    rule: dict[str, Any] = {"IpProtocol": str(properties["IpProtocol"])}
    for port in ("FromPort", "ToPort"):
        if port in properties:
            rule[port] = int(properties[port])
    note = {"Description": properties["Description"]} if "Description" in properties else {}
    peer = properties.get("SourceSecurityGroupId") or properties.get("DestinationSecurityGroupId")
    prefix_list = properties.get("SourcePrefixListId") or properties.get("DestinationPrefixListId")
    if peer:
        rule["UserIdGroupPairs"] = [{"GroupId": peer, **note}]
    elif prefix_list:
        rule["PrefixListIds"] = [{"PrefixListId": prefix_list, **note}]
    elif "CidrIpv6" in properties:
        rule["Ipv6Ranges"] = [{"CidrIpv6": properties["CidrIpv6"], **note}]
    else:
        rule["IpRanges"] = [{"CidrIp": properties["CidrIp"], **note}]
    return rule
