"""AWS::ECS::TaskDefinition with all properties, registered by RegisterTaskDefinition.

ministack 1.5.33 converts only some nested properties to API members and drops Secrets,
HealthCheck, DependsOn, Volumes, RuntimePlatform and EphemeralStorage.
"""

import json
from typing import Any

from embedded_aws.api_members import request_members
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    from ministack.services import ecs
    from ministack.services.cloudformation import provisioners

    def create(
        logical_id: str, properties: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, str]]:
        request = request_members(
            "ecs",
            "RegisterTaskDefinition",
            {"Family": f"{stack_name}-{logical_id}", **properties},
        )
        status, _, body = ecs._register_task_definition(request)
        if status >= 400:
            raise ValueError(f"RegisterTaskDefinition failed: {json.loads(body)['message']}")
        arn = json.loads(body)["taskDefinition"]["taskDefinitionArn"]
        return arn, {"TaskDefinitionArn": arn}

    provisioners._RESOURCE_HANDLERS["AWS::ECS::TaskDefinition"]["create"] = create
    provisioners._ecs_task_def_create = create  # its update handler calls this name
