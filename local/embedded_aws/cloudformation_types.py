"""Resource types and attributes that ministack 1.5.33 has in its API but not in CloudFormation.

Each type calls the emulator's own API, so that what a template makes can be described, and a
wrong reference fails. `Fn::GetAtt` is completed where AWS documents more than ministack answers.
"""

import contextlib
import json
from typing import Any

from embedded_aws.cloudformation_engine import (
    Created,
    Properties,
    handlers_of,
    own_client,
    physical_name,
    register,
)
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    _complete_vpc_attributes(settings)
    _register_elastic_ip(settings)
    _register_nat_gateway(settings)
    for direction in ("Ingress", "Egress"):
        _register_security_group_rule(settings, direction)
    _register_capacity_provider_associations(settings)
    _register_role_policy(settings)
    _register_schedule(settings)


def _complete_vpc_attributes(settings: Settings) -> None:
    handlers = handlers_of("AWS::EC2::VPC")
    create_vpc, update_vpc = handlers["create"], handlers["update"]

    def complete(created: Created) -> Created:
        vpc_id, attributes = created
        vpc = own_client(settings, "ec2").describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]
        associations = vpc.get("CidrBlockAssociationSet") or []
        ids = [association["AssociationId"] for association in associations]
        return vpc_id, {
            **attributes,
            "CidrBlock": vpc["CidrBlock"],
            "CidrBlockAssociations": ids,
            "Ipv6CidrBlocks": [],
        }

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        return complete(create_vpc(logical_id, properties, stack_name))

    def update(
        vpc_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        return complete(update_vpc(vpc_id, old, new, stack_name, logical_id))

    handlers.update(create=create, update=update, update_with_logical_id=True)


def _register_elastic_ip(settings: Settings) -> None:
    """`Ref` is the address; the network behind it does not exist here."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        address = own_client(settings, "ec2").allocate_address(Domain="vpc")
        attributes = {name: address[name] for name in ("AllocationId", "PublicIp")}
        return address["PublicIp"], attributes

    def update(
        address: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        allocation = _allocation_id(settings, address)
        return address, {"AllocationId": allocation, "PublicIp": address}

    def delete(address: str, properties: Properties) -> None:
        allocation = _allocation_id(settings, address)
        own_client(settings, "ec2").release_address(AllocationId=allocation)

    register("AWS::EC2::EIP", create, delete, update)


def _allocation_id(settings: Settings, address: str) -> str:
    found = own_client(settings, "ec2").describe_addresses()["Addresses"]
    return next(str(one["AllocationId"]) for one in found if one["PublicIp"] == address)


def _register_nat_gateway(settings: Settings) -> None:
    """A gateway that can be routed to and described; nothing passes through it."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        known = ("SubnetId", "AllocationId", "ConnectivityType")
        request = {name: properties[name] for name in known if name in properties}
        gateway = own_client(settings, "ec2").create_nat_gateway(**request)["NatGateway"]
        return gateway["NatGatewayId"], {"NatGatewayId": gateway["NatGatewayId"]}

    def delete(gateway_id: str, properties: Properties) -> None:
        own_client(settings, "ec2").delete_nat_gateway(NatGatewayId=gateway_id)

    register("AWS::EC2::NatGateway", create, delete)


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


def _register_capacity_provider_associations(settings: Settings) -> None:
    def put(cluster: str, providers: list[str], strategy: list[dict[str, Any]]) -> Created:
        own_client(settings, "ecs").put_cluster_capacity_providers(
            cluster=cluster, capacityProviders=providers, defaultCapacityProviderStrategy=strategy
        )
        return cluster, {}

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        strategy = [_strategy_item(item) for item in properties["DefaultCapacityProviderStrategy"]]
        return put(properties["Cluster"], list(properties.get("CapacityProviders", [])), strategy)

    def update(
        cluster: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        return create(logical_id, new, stack_name)

    def delete(cluster: str, properties: Properties) -> None:
        put(cluster, [], [])

    register("AWS::ECS::ClusterCapacityProviderAssociations", create, delete, update)


def _strategy_item(item: Properties) -> dict[str, Any]:
    numbers = {name.lower(): int(item[name]) for name in ("Base", "Weight") if name in item}
    return {"capacityProvider": item["CapacityProvider"], **numbers}


def _register_role_policy(settings: Settings) -> None:
    """AWS::IAM::RolePolicy: one inline policy of a role, under the role's and its own name."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        role, name = properties["RoleName"], properties["PolicyName"]
        document = json.dumps(properties.get("PolicyDocument", {}))
        own_client(settings, "iam").put_role_policy(
            RoleName=role, PolicyName=name, PolicyDocument=document
        )
        return f"{name}|{role}", {}

    def delete(physical_id: str, properties: Properties) -> None:
        iam = own_client(settings, "iam")
        name, _separator, role = physical_id.partition("|")
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_role_policy(RoleName=role, PolicyName=name)

    register("AWS::IAM::RolePolicy", create, delete)


def _register_schedule(settings: Settings) -> None:
    """AWS::Scheduler::Schedule with all its properties (ministack's forgets half of them)."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        name = properties.get("Name") or physical_name(stack_name, logical_id, max_length=64)
        answer = own_client(settings, "scheduler").create_schedule(**{**properties, "Name": name})
        return name, {"Arn": answer["ScheduleArn"]}

    def update(
        name: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        identity = ("Name", "GroupName")
        if any(old.get(part) != new.get(part) for part in identity):
            return create(logical_id, new, stack_name)
        answer = own_client(settings, "scheduler").update_schedule(**{**new, "Name": name})
        return name, {"Arn": answer["ScheduleArn"]}

    def delete(name: str, properties: Properties) -> None:
        scheduler = own_client(settings, "scheduler")
        with contextlib.suppress(scheduler.exceptions.ResourceNotFoundException):
            scheduler.delete_schedule(Name=name, GroupName=properties.get("GroupName", "default"))

    register("AWS::Scheduler::Schedule", create, delete, update)
