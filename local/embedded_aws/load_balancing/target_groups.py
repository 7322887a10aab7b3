"""A target group belongs to one load balancer, also while an update replaces a load balancer.

CloudFormation creates the new load balancer and its listener before it deletes the old ones, so a
target group that both use fails the update. ministack 1.5.33 accepts it. It also accepts an ECS
service whose target group no load balancer uses, or that names an unknown container.
"""

from typing import Any

from ministack.services import alb
from ministack.services.cloudformation import provisioners

from embedded_aws.cloudformation.engine import Properties
from embedded_aws.ecs import engine as ecs
from embedded_aws.settings import Settings

_CODE = "TargetGroupAssociationLimit"
_MESSAGE = (
    "The following target groups cannot be associated with more than one load balancer: {group}"
)


class TargetGroupAssociationLimitError(ValueError):
    """The target group is another load balancer's."""


def install(settings: Settings) -> None:
    _check_templates()
    for action in ("CreateListener", "ModifyListener", "CreateRule", "ModifyRule"):
        _check_requests(action)
    _check_services()


def balancers_of(group_arn: str) -> set[str]:
    """The load balancers whose listeners or rules forward to a target group."""
    listeners = dict(alb._listeners.items())
    found = {
        one["LoadBalancerArn"]
        for one in listeners.values()
        if group_arn in _groups(one.get("DefaultActions", []))
    }
    for rule in list(alb._rules.values()):
        if rule["ListenerArn"] in listeners and group_arn in _groups(rule.get("Actions", [])):
            found.add(listeners[rule["ListenerArn"]]["LoadBalancerArn"])
    return found


def _groups(actions: list[dict[str, Any]]) -> set[str]:
    found = {action.get("TargetGroupArn") for action in actions}
    for action in actions:
        found |= {
            group.get("TargetGroupArn")
            for group in (action.get("ForwardConfig") or {}).get("TargetGroups", [])
        }
    return {group for group in found if group}


def _taken_group(actions: list[dict[str, Any]], balancer_arn: str) -> str | None:
    return next(
        (group for group in sorted(_groups(actions)) if balancers_of(group) - {balancer_arn}), None
    )


def _check_templates() -> None:
    read_actions = provisioners._elbv2_listener_actions

    def read_free_actions(
        properties: Properties, balancer_arn: str, prop: str = "DefaultActions"
    ) -> Any:
        owner = balancer_arn or _balancer_of_listener(str(properties.get("ListenerArn")))
        taken = _taken_group(list(properties.get(prop) or []), owner)
        if taken:
            raise TargetGroupAssociationLimitError(f"{_CODE}: {_MESSAGE.format(group=taken)}")
        return read_actions(properties, balancer_arn, prop)

    provisioners._elbv2_listener_actions = read_free_actions


def _check_requests(name: str) -> None:
    handle = alb._ACTION_MAP[name]
    prefix = "DefaultActions" if "Listener" in name else "Actions"

    def handle_if_free(params: dict[str, Any]) -> Any:
        owner = alb._p(params, "LoadBalancerArn") or _balancer_of_listener(_listener_of(params))
        taken = _taken_group(alb._parse_actions(params, prefix), owner)
        if taken:
            return alb._error(_CODE, _MESSAGE.format(group=taken))
        return handle(params)

    alb._ACTION_MAP[name] = handle_if_free


def _check_services() -> None:
    create = ecs.stock._create_service

    def create_if_reachable(data: dict[str, Any]) -> ecs.Response:
        for entry in data.get("loadBalancers") or []:
            problem = _problem_of(entry, str(data.get("taskDefinition")))
            if problem:
                return ecs.error("InvalidParameterException", problem)
        response: ecs.Response = create(data)
        return response

    ecs.stock._create_service = create_if_reachable  # CloudFormation calls this name
    ecs.stock._ACTION_MAP["CreateService"] = create_if_reachable


def _problem_of(entry: dict[str, Any], task_definition: str) -> str | None:
    group = entry.get("targetGroupArn")
    if group and not balancers_of(group):
        return (
            f"The target group with targetGroupArn {group} does not have an associated load "
            "balancer."
        )
    definition = ecs.stock._task_defs.get(ecs.stock._resolve_td_key(task_definition)) or {}
    names = {container["name"] for container in definition.get("containerDefinitions", [])}
    if entry.get("containerName") not in names:
        return f"The container {entry.get('containerName')} does not exist in the task definition."
    return None


def _listener_of(params: dict[str, Any]) -> str:
    rule = alb._rules.get(alb._p(params, "RuleArn")) or {}
    return str(alb._p(params, "ListenerArn") or rule.get("ListenerArn", ""))


def _balancer_of_listener(listener_arn: str) -> str:
    return str((alb._listeners.get(listener_arn) or {}).get("LoadBalancerArn", ""))
