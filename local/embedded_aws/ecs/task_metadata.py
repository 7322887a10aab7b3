"""The task metadata endpoint and the AWS variables of a container's environment.

ministack serves the endpoint; it lacks the container's `Networks`, and it names a host that
only Docker's containers can resolve. The credentials are those of the task's role, in the
environment and without an end; a task without a role gets none.
"""

from typing import Any

from embedded_aws.authorization import ecs_agent, sessions
from embedded_aws.containers import addresses
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    from ministack.services import ecs, ecs_metadata

    register_metadata = ecs._register_metadata
    register_container = ecs_metadata.register_container

    def register_with_reachable_host(
        task_arn: str,
        cluster_arn: str,
        task_definition: dict[str, Any],
        container: dict[str, Any],
        launch_type: str,
        env: dict[str, str],
        host_mode: bool,
        ministack_net_ip: str | None,
    ) -> str:
        own = dict(env)
        token: str = register_metadata(
            task_arn, cluster_arn, task_definition, container, launch_type, env, True, None
        )
        # ministack's credentials endpoint serves keys that nothing accepts.
        env.pop("AWS_CONTAINER_CREDENTIALS_FULL_URI", None)
        env.pop("AWS_CONTAINER_AUTHORIZATION_TOKEN", None)
        env.update({"AWS_REGION": settings.region, "AWS_DEFAULT_REGION": settings.region})
        role = ecs_agent.task_role(ecs._tasks[task_arn], task_definition)
        if role:
            env.update(sessions.credentials_of(role, task_arn.rsplit("/", 1)[-1]))
        env.update(own)  # the task definition's own values win
        return token

    def register_with_networks(
        token: str,
        task_arn: str,
        task_payload: dict[str, Any],
        container_payload: dict[str, Any],
    ) -> None:
        container_payload["Networks"] = [
            {"NetworkMode": "awsvpc", "IPv4Addresses": [addresses.address_of(task_arn)]}
        ]
        register_container(token, task_arn, task_payload, container_payload)

    ecs._register_metadata = register_with_reachable_host
    ecs_metadata.register_container = register_with_networks
