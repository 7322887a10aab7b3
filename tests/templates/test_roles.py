"""Every role can be assumed by what uses it, and may be passed by what passes it."""

from collections.abc import Iterator
from typing import Any

import pytest
from dry_deployment import DryStack, deploy
from single_changes import ALL_WORDS

LAMBDA, TASKS, SCHEDULER, FLOW_LOGS, BUILDS = (
    f"{service}.amazonaws.com"
    for service in ("lambda", "ecs-tasks", "scheduler", "vpc-flow-logs", "codebuild")
)


def uses(stack: DryStack) -> Iterator[tuple[str, str]]:
    """Each use of a role in a deployment: the role's reference, and who assumes it."""
    for each in stack.everything():
        for name, resource in each.resources.items():
            properties = each.properties(name)
            if resource["Type"] == "AWS::Lambda::Function":
                yield properties["Role"], LAMBDA
                variables = properties["Environment"]["Variables"]
                yield from ((v, SCHEDULER) for k, v in variables.items() if k == "TICK_ROLE_ARN")
                yield from ((v, TASKS) for k, v in variables.items() if k.endswith("TASK_ROLE_ARN"))
                names = variables.get("QUEUE_ROLE_NAMES", "").split(",")
                yield from ((name.replace(">", ".Arn>"), TASKS) for name in names if name)
            elif resource["Type"] == "AWS::ECS::TaskDefinition":
                yield properties["TaskRoleArn"], TASKS
                yield properties["ExecutionRoleArn"], TASKS
            elif resource["Type"] == "AWS::Scheduler::Schedule":
                yield properties["Target"]["RoleArn"], SCHEDULER
            elif resource["Type"] == "AWS::EC2::FlowLog":
                yield properties["DeliverLogsPermissionArn"], FLOW_LOGS
            elif resource["Type"] == "AWS::CodeBuild::Project":
                yield properties["ServiceRole"], BUILDS


def trusts(stack: DryStack) -> dict[str, set[str]]:
    """A role's reference → the services that may assume it."""
    return {
        f"<{each.path}/{name}.Arn>": {
            statement["Principal"]["Service"]
            for statement in each.properties(name)["AssumeRolePolicyDocument"]["Statement"]
            if statement["Effect"] == "Allow" and statement["Action"] == "sts:AssumeRole"
        }
        for each in stack.everything()
        for name, resource in each.resources.items()
        if resource["Type"] == "AWS::IAM::Role"
    }


@pytest.mark.parametrize("environment_class", ["micro", "small"])
@pytest.mark.parametrize("queues", ["", "heavy,team-a:isolated,,team-b:isolated"])
def test_role_is_assumed_by_exactly_those_that_use_it(environment_class: str, queues: str) -> None:
    stack = deploy(EnvironmentClass=environment_class, WorkerQueueNames=queues, Options=ALL_WORDS)
    used: dict[str, set[str]] = {}
    for role, service in uses(stack):
        used.setdefault(role, set()).add(service)

    assert trusts(stack) == used


def passed(stack: DryStack, role: str) -> dict[str, set[str]]:
    """The service to which a role may pass others → those others."""
    found: dict[str, set[str]] = {}
    for policy in stack.properties(role)["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Action"] == "iam:PassRole":
                service = statement["Condition"]["StringEquals"]["iam:PassedToService"]
                resources: Any = statement["Resource"]
                found.setdefault(service, set()).update(
                    [resources] if isinstance(resources, str) else resources
                )
    return found


@pytest.mark.parametrize(
    ("starter", "role", "started"),
    [
        ("CommandsStack", "RunAirflowCommandRole", "CommandStack"),
        ("FleetStack", "ScaleWorkersRole", "WorkerStack"),
    ],
)
@pytest.mark.parametrize("queues", ["", "heavy,team-a:isolated,,team-b:isolated"])
def test_function_may_pass_exactly_the_roles_with_which_it_starts_something(
    starter: str, role: str, started: str, queues: str
) -> None:
    stack = deploy(WorkerQueueNames=queues)
    function = stack.child(starter)
    task = stack.child(started).properties("TaskDefinition")
    (variables,) = (
        function.properties(name)["Environment"]["Variables"]
        for name, resource in function.resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
    )
    # A command may run with another role than the definition's.
    others = {value for name, value in variables.items() if name.endswith("TASK_ROLE_ARN")}
    # Workers of isolated queues run with the roles that the scaler knows by name.
    names = variables.get("QUEUE_ROLE_NAMES", "").split(",")
    others |= {name.replace(">", ".Arn>") for name in names if name}

    assert passed(function, role) == {
        TASKS: {task["TaskRoleArn"], task["ExecutionRoleArn"], *others},
        SCHEDULER: {variables["TICK_ROLE_ARN"]},
    }
