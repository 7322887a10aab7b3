"""AWS::IAM::RolePolicy, which ministack 1.5.33 has in its API only."""

import contextlib
import json

from embedded_aws.cloudformation.engine import (
    Created,
    Properties,
    logical_path,
    own_client,
    register,
)
from embedded_aws.iam.roles import note_role
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    _register_role_policy(settings)


def _register_role_policy(settings: Settings) -> None:
    """AWS::IAM::RolePolicy: one inline policy of a role, under the role's and its own name."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        role, name = properties["RoleName"], properties["PolicyName"]
        document = json.dumps(properties.get("PolicyDocument", {}))
        own_client(settings, "iam").put_role_policy(
            RoleName=role, PolicyName=name, PolicyDocument=document
        )
        note_role(role, logical_path(stack_name, logical_id))
        return f"{name}|{role}", {}

    def delete(physical_id: str, properties: Properties) -> None:
        iam = own_client(settings, "iam")
        name, _separator, role = physical_id.partition("|")
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_role_policy(RoleName=role, PolicyName=name)

    register("AWS::IAM::RolePolicy", create, delete)
