"""Projects of CodeBuild, as CloudFormation creates them.

ministack 1.5.33 takes any project, forgets where its logs go, and looks at no role.
"""

from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_region
from ministack.services import codebuild

from embedded_aws.authorization import sessions
from embedded_aws.cloudformation.engine import Created, Properties, physical_name, register
from embedded_aws.settings import ACCOUNT_ID, Settings

SERVICE = "codebuild.amazonaws.com"
_LONGEST_NAME = 150
# Keys of the API that are not the name of the property with another first letter.
_OTHER_NAMES = {"BuildSpec": "buildspec"}
# CloudFormation passes them on as texts.
_NUMBERS = ("timeoutInMinutes", "queuedTimeoutInMinutes")
_BOOLEANS = ("privilegedMode",)


class ProjectRefusedError(ValueError):
    """CodeBuild does not take the project."""


def install(settings: Settings) -> None:
    register("AWS::CodeBuild::Project", _create, _delete, _update)


def project_arn(name: str) -> str:
    return f"arn:aws:codebuild:{get_region()}:{ACCOUNT_ID}:project/{name}"


def refusal_of_role(role_arn: str, name: str) -> str:
    """Why CodeBuild cannot work with a role; empty if it can."""
    try:
        sessions.assert_trust(role_arn, SERVICE, project_arn(name))
    except sessions.CannotAssumeRoleError:
        return f"CodeBuild is not authorized to perform: sts:AssumeRole on {role_arn}"
    return ""


def _create(logical_id: str, properties: Properties, stack_name: str) -> Created:
    name = str(properties.get("Name") or physical_name(stack_name, logical_id, _LONGEST_NAME))
    if name in codebuild._projects:
        raise ProjectRefusedError(
            f"Project already exists: {project_arn(name)} (Service: AWSCodeBuild; Status Code: "
            "400; Error Code: ResourceAlreadyExistsException)"
        )
    return _store(name, properties)


def _update(
    name: str, old: Properties, new: Properties, stack_name: str, logical_id: str
) -> Created:
    if old.get("Name") != new.get("Name"):
        return _create(logical_id, new, stack_name)  # the name is not changed, but replaced
    return _store(name, new)


def _delete(name: str, properties: Properties) -> None:
    codebuild._projects.pop(name, None)


def _store(name: str, properties: Properties) -> Created:
    described = _as_in_the_api(properties)
    if refusal := refusal_of_role(str(described["serviceRole"]), name):
        raise ProjectRefusedError(
            f"{refusal} (Service: AWSCodeBuild; Status Code: 400; Error Code: "
            "InvalidInputException)"
        )
    codebuild._projects.pop(name, None)
    codebuild._create_project({**described, "name": name})
    # What ministack leaves out.
    codebuild._projects[name] |= {
        "logsConfig": described.get("logsConfig") or {},
        "queuedTimeoutInMinutes": described.get("queuedTimeoutInMinutes", 480),
    }
    return name, {"Arn": project_arn(name)}


def _as_in_the_api(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        named = {
            _OTHER_NAMES.get(name) or f"{name[:1].lower()}{name[1:]}": each
            for name, each in value.items()
        }
        return {name: _as_in_the_api(each, name) for name, each in named.items()}
    if isinstance(value, list):
        return [_as_in_the_api(each) for each in value]
    if key in _NUMBERS:
        return int(value)
    if key in _BOOLEANS:
        return str(value).lower() == "true"
    return value
