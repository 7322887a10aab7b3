"""A target group belongs to one load balancer at a time."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..ecs_tasks import Ecs
from ..stack_driver import StackDriver, deploy
from ..web_server import WEB, resources

LIMIT = "cannot be associated with more than one load balancer"


@pytest.mark.parametrize(
    ("change", "reason"),
    [("no listener", "does not have an associated load balancer"), ("name", "container airflow")],
)
def test_service_is_refused_when_its_load_balancer_cannot_reach_it(
    ecs: Ecs, stacks: StackDriver, change: str, reason: str
) -> None:
    template = resources(ecs, WEB)
    if change == "name":
        template["Service"]["Properties"]["LoadBalancers"][0]["ContainerName"] = "airflow"
    else:
        del template["Rule"], template["Listener"], template["Service"]["DependsOn"]

    stack = stacks.create({"Resources": template})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Service"]


@pytest.fixture
def template(ecs: Ecs) -> dict[str, Any]:
    without_tasks = resources(ecs, WEB)
    del without_tasks["Service"]
    return without_tasks


def test_update_fails_when_a_replaced_load_balancer_keeps_its_target_group(
    stacks: StackDriver, template: dict[str, Any]
) -> None:
    stack = deploy(stacks, template)
    # The scheme cannot change in place: CloudFormation makes a second load balancer first.
    internal = json.loads(json.dumps(template))
    internal["Balancer"]["Properties"]["Scheme"] = "internal"

    stack = stacks.update(stack, {"Resources": internal})

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert LIMIT in stacks.failures(stack)["Listener"]
    assert stacks.delete(stack).status == "DELETE_COMPLETE"


def test_second_load_balancer_is_refused_the_target_group_of_the_first(
    stacks: StackDriver, template: dict[str, Any]
) -> None:
    stack = deploy(stacks, template, Targets={"Ref": "Targets"})
    balancers = stacks.aws.client("elbv2")
    other = balancers.create_load_balancer(Name=stack.name, Subnets=["subnet-1"])
    arn = other["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": stack.outputs["Targets"]}]

    with pytest.raises(ClientError, match=LIMIT) as refusal:
        balancers.create_listener(
            LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=forward
        )

    assert refusal.value.response["Error"]["Code"] == "TargetGroupAssociationLimit"
    balancers.delete_load_balancer(LoadBalancerArn=arn)
    assert stacks.delete(stack).status == "DELETE_COMPLETE"


def test_target_group_is_free_again_when_its_load_balancer_is_deleted(
    stacks: StackDriver, template: dict[str, Any]
) -> None:
    group = {"Targets": template["Targets"]}
    owner = deploy(stacks, group, Arn={"Ref": "Targets"})
    arn = owner.outputs["Arn"]
    forward = [{"Type": "forward", "TargetGroupArn": arn}]
    balancer = {name: template[name] for name in ("Balancer", "Listener")}
    balancer["Listener"]["Properties"]["DefaultActions"] = forward

    for _ in range(2):
        stack = deploy(stacks, balancer)
        assert stacks.delete(stack).status == "DELETE_COMPLETE"
    assert stacks.delete(owner).status == "DELETE_COMPLETE"
