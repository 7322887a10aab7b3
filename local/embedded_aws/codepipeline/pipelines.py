"""Pipelines of CodePipeline, as CloudFormation creates them.

ministack 1.5.33 has no CodePipeline. Here a pipeline is checked when it is created, and kept. There
is no repository on this machine whose commits could start it: the tests walk through its stages,
with the very projects of CodeBuild.
"""

from typing import Any

from ministack.core.responses import get_region

from embedded_aws.authorization import sessions
from embedded_aws.cloudformation.engine import Created, Properties, physical_name, register
from embedded_aws.settings import ACCOUNT_ID, Settings

SERVICE = "codepipeline.amazonaws.com"
_LONGEST_NAME = 100
_pipelines: dict[str, Properties] = {}


class PipelineRefusedError(ValueError):
    """CodePipeline does not take the pipeline."""


def install(settings: Settings) -> None:
    register("AWS::CodePipeline::Pipeline", _create, _delete, _update)


def pipeline_arn(name: str) -> str:
    return f"arn:aws:codepipeline:{get_region()}:{ACCOUNT_ID}:{name}"


def _create(logical_id: str, properties: Properties, stack_name: str) -> Created:
    name = str(properties.get("Name") or physical_name(stack_name, logical_id, _LONGEST_NAME))
    if name in _pipelines:
        raise _refused(f"A pipeline with the name '{name}' already exists", "PipelineNameInUse")
    return _store(name, properties)


def _update(
    name: str, old: Properties, new: Properties, stack_name: str, logical_id: str
) -> Created:
    if old.get("Name") != new.get("Name"):
        return _create(logical_id, new, stack_name)  # the name is not changed, but replaced
    return _store(name, new)


def _delete(name: str, properties: Properties) -> None:
    _pipelines.pop(name, None)


def _store(name: str, properties: Properties) -> Created:
    role: Any = properties["RoleArn"]
    try:
        sessions.assert_trust(str(role), SERVICE, pipeline_arn(name))
    except sessions.CannotAssumeRoleError as error:
        raise _refused(
            f"CodePipeline is not authorized to perform AssumeRole on role {role}",
            "InvalidStructure",
        ) from error
    _pipelines[name] = properties
    # Ref is the name; the version grows with each update on AWS.
    return name, {"Version": "1"}


def _refused(message: str, code: str) -> PipelineRefusedError:
    return PipelineRefusedError(
        f"{message} (Service: AWSCodePipeline; Status Code: 400; Error Code: {code}Exception)"
    )
