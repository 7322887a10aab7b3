"""Shared by the tests of ECS: a cluster and helpers to run tasks in it."""

import uuid
from typing import Any

from .conftest import EmbeddedAws, eventually
from .roles import create_role

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "DISABLED"}}


class Ecs:
    """A separate cluster and the calls that tests make in it."""

    def __init__(self, emulator: EmbeddedAws) -> None:
        self.aws = emulator
        self.api = emulator.client("ecs")
        self.logs = emulator.client("logs")
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.api.create_cluster(clusterName=self.name)
        self.logs.create_log_group(logGroupName=self.name)
        # May do everything, for tests of other subjects than IAM.
        self.execution_role = create_role(emulator, "ecs-tasks.amazonaws.com", Action="*")

    def register(
        self,
        script: str,
        image: str = "local/sh:1",
        *,
        role: str = "",
        execution_role: str = "",
        **container: Any,
    ) -> str:
        """Register a task definition whose container runs a script; return its ARN."""
        roles = {"taskRoleArn": role} if role else {}
        answer = self.api.register_task_definition(
            family=self.name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            executionRoleArn=execution_role or self.execution_role,
            **roles,
            containerDefinitions=[
                {
                    "name": "main",
                    "image": image,
                    "command": [script],
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": self.name,
                            "awslogs-region": "us-east-1",
                            "awslogs-stream-prefix": "part",
                        },
                    },
                    **container,
                }
            ],
        )
        arn: str = answer["taskDefinition"]["taskDefinitionArn"]
        return arn

    def run(self, definition: str, **arguments: Any) -> str:
        answer = self.api.run_task(
            cluster=self.name,
            taskDefinition=definition,
            networkConfiguration=NETWORK,
            **{"launchType": "FARGATE", **arguments},
        )
        assert not answer["failures"]
        arn: str = answer["tasks"][0]["taskArn"]
        return arn

    def task(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.describe_tasks(cluster=self.name, tasks=[arn])["tasks"][0]
        return found

    def reached(self, arn: str, status: str) -> dict[str, Any]:
        """The task as soon as it has that status, or has stopped."""

        def task_there() -> dict[str, Any] | None:
            task = self.task(arn)
            return task if task["lastStatus"] in (status, "STOPPED") else None

        task: dict[str, Any] = eventually(task_there, timeout=120)
        assert task["lastStatus"] == status, task.get("stoppedReason")
        return task

    def finished(self, definition: str, **arguments: Any) -> dict[str, Any]:
        """Run a task to its end."""
        return self.reached(self.run(definition, **arguments), "STOPPED")

    def output(self, task: dict[str, Any]) -> list[str]:
        """The lines in the task's log stream."""
        stream = f"part/main/{task['taskArn'].rsplit('/', 1)[-1]}"
        events = self.logs.get_log_events(
            logGroupName=self.name, logStreamName=stream, startFromHead=True
        )["events"]
        return [event["message"] for event in events]

    def environment(self, task: dict[str, Any]) -> dict[str, str]:
        """The output of a task that ran `env`."""
        pairs = (line.partition("=") for line in self.output(task))
        return {name: value for name, _, value in pairs}

    def create_service(self, name: str, definition: str, count: int = 1, **more: Any) -> None:
        self.api.create_service(
            cluster=self.name,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=count,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            **more,
        )

    def service(self, name: str) -> dict[str, Any]:
        services = self.api.describe_services(cluster=self.name, services=[name])["services"]
        found: dict[str, Any] = services[0]
        return found

    def tasks_of(self, service: str, desired: str = "RUNNING") -> list[dict[str, Any]]:
        arns = self.api.list_tasks(cluster=self.name, serviceName=service, desiredStatus=desired)
        if not arns["taskArns"]:
            return []
        found: list[dict[str, Any]] = self.api.describe_tasks(
            cluster=self.name, tasks=arns["taskArns"]
        )["tasks"]
        return found

    def first_stopped(self, service: str) -> dict[str, Any]:
        """The first task of a service that has stopped."""
        return eventually(lambda: next(iter(self.tasks_of(service, "STOPPED")), None))  # type: ignore[no-any-return]

    def running(self, service: str, count: int, definition: str | None = None) -> bool:
        """Whether a service is steady with so many tasks (of that task definition)."""
        state = self.service(service)
        primary = next(d for d in state["deployments"] if d["status"] == "PRIMARY")
        tasks = [task for task in self.tasks_of(service) if task["lastStatus"] == "RUNNING"]
        return (
            len(tasks) == state["runningCount"] == count
            and primary["rolloutState"] == "COMPLETED"
            and all(definition in (None, task["taskDefinitionArn"]) for task in tasks)
        )

    def close(self) -> None:
        """Stop everything that was started in the cluster."""
        for arn in self.api.list_services(cluster=self.name)["serviceArns"]:
            self.api.delete_service(cluster=self.name, service=arn, force=True)
        for arn in self.api.list_tasks(cluster=self.name)["taskArns"]:
            self.api.stop_task(cluster=self.name, task=arn)


def address_of(task: dict[str, Any]) -> str:
    details = task["attachments"][0]["details"]
    value: str = next(d["value"] for d in details if d["name"] == "privateIPv4Address")
    return value
