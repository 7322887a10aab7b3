"""The word codebuild: the project, its role, and what the function may do with it."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from api_limits import as_on_aws
from dry_deployment import DryStack, deploy

from build_image.aws.s3_source_store import PREFIX
from build_image.budget import MAX_CALLS
from build_image.handler import PROJECT
from embedded_aws.limits.resources import findings
from embedded_aws.limits.tables import limits_of

KIND = "AWS::CodeBuild::Project"


def image(**parameters: str) -> DryStack:
    return deploy(**{"Options": "codebuild", **parameters}).child("ImageStack")


def project(**parameters: str) -> dict[str, Any]:
    return image(**parameters).child("CodeBuildStack").properties("Project")


def statements(stack: DryStack, role: str) -> Iterator[dict[str, Any]]:
    for policy in stack.properties(role)["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def actions(stack: DryStack, role: str) -> set[str]:
    found = set()
    for statement in statements(stack, role):
        named = statement["Action"]
        found |= {named} if isinstance(named, str) else set(named)
    return found


@pytest.mark.parametrize(
    ("options", "kind", "processor"),
    [("codebuild", "ARM_CONTAINER", "aarch64"), ("x86,codebuild", "LINUX_CONTAINER", "x86_64")],
)
def test_build_runs_on_the_processor_of_the_tasks(options: str, kind: str, processor: str) -> None:
    environment = project(Options=options)["Environment"]

    assert environment["Type"] == kind
    assert f"-{processor}-" in environment["Image"]
    assert environment["PrivilegedMode"] is True


def test_function_is_told_the_project_by_the_custom_resource() -> None:
    """So a word more or less in Options asks for an image, and a rollback asks for the former."""
    with_word, without = image(), image(Options="")

    assert with_word.properties("Image")[PROJECT] == "<airflow/ImageStack/CodeBuildStack/Project>"
    assert without.properties("Image")[PROJECT] == ""
    assert "CodeBuildStack" not in without.children


def test_function_that_waits_needs_little_memory() -> None:
    waiting, building = (
        image(Options=options).properties("BuildImageFunction")["MemorySize"]
        for options in ("codebuild", "")
    )

    assert int(waiting) * 8 < int(building)


def test_build_and_scan_fit_into_the_calls_of_the_function_and_the_custom_resource() -> None:
    stack = image()
    found = project()
    seconds = 60 * (found["QueuedTimeoutInMinutes"] + found["TimeoutInMinutes"])
    calls = MAX_CALLS * stack.properties("BuildImageFunction")["Timeout"]

    # Each call leaves less than a minute; a scan with Options=refuse-… is awaited for 15 minutes.
    assert seconds + 60 * MAX_CALLS <= calls
    assert seconds + 15 * 60 <= int(stack.properties("Image")["ServiceTimeout"])


def test_function_stores_no_image_where_codebuild_does() -> None:
    assert "ecr:PutImage" in actions(image(Options=""), "BuildImageRole")
    with_codebuild = actions(image(), "BuildImageRole")
    assert not [one for one in with_codebuild if one.startswith("ecr:") and "Describe" not in one]


def test_build_can_neither_delete_an_image_nor_write_its_source() -> None:
    stack = image(Options="codebuild,customer-key").child("CodeBuildStack")

    assert actions(stack, "ProjectRole") == {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:GetAuthorizationToken",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
        "kms:Decrypt",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
    }
    (read,) = (one for one in statements(stack, "ProjectRole") if one["Action"] == "s3:GetObject")
    assert read["Resource"].endswith(f"/{PREFIX}*")


def test_build_writes_to_the_log_group_of_the_stack() -> None:
    stack = image().child("CodeBuildStack")
    logs = stack.properties("Project")["LogsConfig"]["CloudWatchLogs"]

    assert logs == {
        "Status": "ENABLED",
        "GroupName": "<airflow/ImageStack/CodeBuildStack/BuildLogGroup>",
    }


def test_push_is_part_of_the_phase_that_a_failed_build_does_not_reach() -> None:
    """CodeBuild runs post_build also after a failed build."""
    spec = yaml.safe_load(project()["Source"]["BuildSpec"])

    assert list(spec["phases"]) == ["pre_build", "build"]


GOOD: dict[str, Any] = {
    "Source": {"Type": "NO_SOURCE", "BuildSpec": "version: 0.2\nphases: {}\n"},
    "Environment": {
        "Type": "ARM_CONTAINER",
        "Image": "aws/codebuild/amazonlinux-aarch64-standard:3.0",
        "ComputeType": "BUILD_GENERAL1_SMALL",
    },
}


def spec(text: str) -> dict[str, Any]:
    return {"Source": {"Type": "NO_SOURCE", "BuildSpec": text}}


def environment(**values: str) -> dict[str, Any]:
    return {"Environment": {**GOOD["Environment"], **values}}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, ""),
        ({"TimeoutInMinutes": 4}, "TimeoutInMinutes"),
        ({"QueuedTimeoutInMinutes": 481}, "QueuedTimeoutInMinutes"),
        ({"Name": "a b"}, "Name"),
        ({"Source": {"Type": "NO_SOURCE"}}, "needs a BuildSpec"),
        ({"Source": {"Type": "ZIP"}}, "Source.Type"),
        (spec("version: 0.2\nphases: [\n"), "YAML file is not valid"),
        (spec("version: 0.3\nphases: {}\n"), "unsupported version 0.3"),
        (spec("version: 0.2\nphases: {prebuild: {commands: [a]}}\n"), "unknown phase 'prebuild'"),
        (spec("version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b\n"), "strings"),
        (spec("version: 0.2\nenv: {shell: zsh}\nphases: {}\n"), "unknown shell 'zsh'"),
        (environment(Type="LINUX_CONTAINER"), "does not run on LINUX_CONTAINER"),
        (environment(Type="WINDOWS_CONTAINER"), "Environment.Type"),
        (environment(ComputeType="SMALL"), "Environment.ComputeType"),
        (environment(Image=""), "Environment.Image"),
        (
            {"LogsConfig": {"CloudWatchLogs": {"Status": "DISABLED", "GroupName": "a"}}},
            "is disabled and names a group",
        ),
    ],
    ids=str,
)
def test_what_codebuild_refuses_is_in_the_table_of_limits(
    change: dict[str, Any], refusal: str
) -> None:
    limits = limits_of(KIND)
    assert limits is not None

    found = [str(one) for one in findings(limits, as_on_aws({**GOOD, **change}))]

    assert [one for one in found if refusal and refusal in one] or (not refusal and not found)
