"""AWS::EC2::SecurityGroupIngress and SecurityGroupEgress, which ministack 1.5.33 lacks.

Each calls the EC2 API, so that a rule can be described and a wrong reference fails.
"""

from typing import Any

from embedded_aws.cloudformation.engine import Created, Properties, own_client, register
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    for direction in ("Ingress", "Egress"):
        _register_security_group_rule(settings, direction)


def _register_security_group_rule(settings: Settings, direction: str) -> None:
    """SecurityGroupIngress and SecurityGroupEgress: one rule of a group made elsewhere."""
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
