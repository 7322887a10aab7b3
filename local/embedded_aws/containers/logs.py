"""The awslogs driver: a task is STOPPED only after its output is in its log stream.

ministack copies the output; here the container knows the copying thread and does
not count as ended before that thread has read everything.
"""

from typing import Any

from embedded_aws.containers.runtime import Container
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    from ministack.services import ecs

    start_forwarder = ecs._start_awslogs_forwarder
    forward = ecs._forward_awslogs

    def start_known_forwarder(
        container: Container, definition: dict[str, Any], task_id: str
    ) -> None:
        if ecs._awslogs_config(definition, task_id, container.id):
            container.log_followers += 1
        start_forwarder(container, definition, task_id)

    def forward_and_sign_off(
        container: Container, config: dict[str, Any], account_id: str, region: str
    ) -> None:
        try:
            forward(container, config, account_id, region)
        finally:
            container.log_followers -= 1

    ecs._start_awslogs_forwarder = start_known_forwarder
    ecs._forward_awslogs = forward_and_sign_off
