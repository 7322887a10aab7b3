"""The subnets of an existing VPC."""

from collections.abc import Iterator

from preflight.parameters import Parameters

# The load balancer and the database need two Availability Zones.
MIN_SUBNETS = 2
# In these modes the load balancer is in the public subnets.
_INTERNET_FACING = ("load-balancer", "http-without-tls")


def network_problems(parameters: Parameters) -> Iterator[str]:
    vpc, mode = parameters.text("Vpc"), parameters.text("IngressMode")
    network_mode = parameters.optional_text("NetworkMode") or "class"
    public, private = parameters.items("PublicSubnetIds"), parameters.items("PrivateSubnetIds")
    for name, subnets in (("PublicSubnetIds", public), ("PrivateSubnetIds", private)):
        if subnets and len(set(subnets)) < MIN_SUBNETS:
            yield (
                f"{name} names {len(set(subnets))} subnet: give at least {MIN_SUBNETS}, in "
                "different Availability Zones."
            )
    if vpc.startswith("vpc-"):
        if not private:
            yield (
                f"Vpc is {vpc} but PrivateSubnetIds is empty: give the subnets for tasks and "
                "database."
            )
        if network_mode != "class":
            yield (
                f"NetworkMode is {network_mode}, but it describes a VPC that the stack creates, "
                f"and Vpc is {vpc}: set NetworkMode to class."
            )
        if "flow-logs" in parameters.items("Options"):
            yield (
                f"Options contains flow-logs, but Vpc is {vpc}, which is not the stack's: create a "
                "flow log on your VPC, and leave the word out."
            )
        if mode in _INTERNET_FACING and not public:
            yield (
                f"IngressMode is {mode} but PublicSubnetIds is empty: give your public subnets, or "
                "set IngressMode to cloudfront or internal."
            )
    elif public or private:
        yield (
            f"Vpc is {vpc}, so the stack creates a VPC, but subnets are given: set Vpc to the id "
            "of their VPC, or leave PublicSubnetIds and PrivateSubnetIds empty."
        )
