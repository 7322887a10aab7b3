"""CodeBuild."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from embedded_aws.limits.resources import Resource, UnknownValue
from embedded_aws.limits.rules import Choice, Text, Unlimited
from embedded_aws.limits.tables.network import ARN

# https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html: what runs on
# the machines of each type, as far as AWS's own images say it by their names.
_PROCESSOR: Final = {"ARM_CONTAINER": "aarch64", "LINUX_CONTAINER": "x86_64"}
_SOURCES: Final = (
    "BITBUCKET", "CODECOMMIT", "CODEPIPELINE", "GITHUB", "GITHUB_ENTERPRISE", "GITLAB",
    "GITLAB_SELF_MANAGED", "NO_SOURCE", "S3",
)  # fmt: skip
_PHASES: Final = ("install", "pre_build", "build", "post_build")
_SHELLS: Final = ("sh", "bash", "/bin/sh", "/bin/bash")


def buildspec_problems(text: str) -> Iterator[str]:
    """What CodeBuild refuses in a buildspec before the first phase (YAML_FILE_ERROR)."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield f"YAML file is not valid: {' '.join(str(error).split())}"
        return
    if not isinstance(document, Mapping):
        yield "the buildspec is not a mapping"
        return
    if str(document.get("version")) not in ("0.1", "0.2"):
        yield f"unsupported version {document.get('version')!r}"
    shell = (document.get("env") or {}).get("shell", "sh")
    if shell not in _SHELLS:
        yield f"unknown shell {shell!r}"
    phases = document.get("phases") or {}
    if unknown := sorted(set(phases) - set(_PHASES)):
        yield f"unknown phase {unknown[0]!r}"
    for name, phase in phases.items():
        commands = phase.get("commands") if isinstance(phase, Mapping) else None
        if not isinstance(commands, list) or not all(isinstance(one, str) for one in commands):
            # A command with ": " in it is a mapping for YAML.
            yield f"expected commands of the phase {name} to be a list of strings"


def _project(properties: Mapping[str, Any]) -> Iterator[str]:
    source = properties.get("Source") or {}
    spec = source.get("BuildSpec")
    if source.get("Type") == "NO_SOURCE" and not spec:
        yield "Source of the type NO_SOURCE needs a BuildSpec (CodeBuild: CreateProject)"
    if isinstance(spec, str) and not isinstance(spec, UnknownValue) and "\n" in spec:
        for problem in buildspec_problems(spec):
            yield f"Source.BuildSpec: {problem} (CodeBuild: buildspec reference)"
    environment = properties.get("Environment") or {}
    image, processor = str(environment.get("Image")), _PROCESSOR.get(str(environment.get("Type")))
    others = [one for one in _PROCESSOR.values() if one != processor]
    if image.startswith("aws/codebuild/") and any(f"-{one}-" in image for one in others):
        yield f"Environment.Image {image} does not run on {environment.get('Type')} (CodeBuild)"
    logs = (properties.get("LogsConfig") or {}).get("CloudWatchLogs") or {}
    if logs.get("Status") == "DISABLED" and logs.get("GroupName"):
        yield "LogsConfig.CloudWatchLogs is disabled and names a group (CodeBuild: LogsConfig)"


LIMITS: Final = {
    "AWS::CodeBuild::Project": Resource(
        "codebuild:CreateProject",
        rules={
            "ServiceRole": ARN,
            "EncryptionKey": Unlimited("KMS resolves it"),
            "Environment.Type": Choice(
                "CodeBuild: ProjectEnvironment; of those that build images of Linux",
                tuple(_PROCESSOR),
            ),
            "Environment.Image": Text("CodeBuild: ProjectEnvironment", r"[^\s]+"),
            "Source.Type": Choice(
                "CodeBuild: ProjectSource, which botocore has without NO_SOURCE", _SOURCES
            ),
            "Source.BuildSpec": Unlimited("looked at by the check of the project"),
            "LogsConfig.CloudWatchLogs.GroupName": Text(
                "CloudWatch Logs: LogGroupName", r"[.\-_/#A-Za-z0-9]+", most=512
            ),
        },
        checks=(_project,),
    ),
}
