"""A build runs its commands, ends as they do, and is refused what AWS refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws, eventually
from ..roles import Caller, refused
from ..stack_driver import StackDriver
from .conftest import LOGS, Projects, buildspec, template


def phases(build: dict[str, Any]) -> dict[str, str]:
    return {one["phaseType"]: one.get("phaseStatus", "") for one in build["phases"]}


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def test_commands_run_in_one_shell_with_the_variables_of_the_build(projects: Projects) -> None:
    spec = buildspec(
        pre_build=["mkdir deeper && cd deeper", "word=$GREETING"],
        build=['echo "$word from $(basename "$PWD") in $AWS_REGION"'],
    )
    project = projects.create(spec)

    build = project.build(environmentVariablesOverride=[{"name": "GREETING", "value": "Hello"}])

    assert build["buildStatus"] == "SUCCEEDED"
    assert build["currentPhase"] == "COMPLETED"
    assert "Hello from deeper in us-east-1\n" in project.log(build)
    assert phases(build) == {
        "SUBMITTED": "SUCCEEDED",
        "QUEUED": "SUCCEEDED",
        "PROVISIONING": "SUCCEEDED",
        "DOWNLOAD_SOURCE": "SUCCEEDED",
        "PRE_BUILD": "SUCCEEDED",
        "BUILD": "SUCCEEDED",
        "COMPLETED": "",
    }
    assert build["logs"]["groupName"] == project.stack.outputs["Group"]
    assert build["environment"]["environmentVariables"] == [
        {"name": "GREETING", "value": "Hello", "type": "PLAINTEXT"}
    ]


@pytest.mark.parametrize("command", ["false", "exit 3"])
def test_failed_command_fails_its_phase_with_the_command(projects: Projects, command: str) -> None:
    project = projects.create(buildspec(build=["echo before", command, "echo after"]))

    build = project.build()

    assert build["buildStatus"] == "FAILED"
    (failed,) = (one for one in build["phases"] if one.get("phaseStatus") == "FAILED")
    assert failed["phaseType"] == "BUILD"
    (context,) = failed["contexts"]
    assert context["statusCode"] == "COMMAND_EXECUTION_ERROR"
    assert context["message"].startswith("Error while executing command: ")
    assert context["message"].endswith(f"exit status {'3' if '3' in command else '1'}")
    log = project.log(build)
    assert "before\n" in log
    assert "\nafter\n" not in log


def test_phase_after_a_failed_build_runs_and_after_a_failed_pre_build_does_not(
    projects: Projects,
) -> None:
    after = projects.create(buildspec(build=["false"], post_build=["echo cleaned"]))
    before = projects.create(buildspec(pre_build=["false"], build=["echo built"]))

    assert phases(after.build())["POST_BUILD"] == "SUCCEEDED"
    assert "BUILD" not in phases(before.build())


def test_token_starts_one_build(projects: Projects) -> None:
    project = projects.create(buildspec(build=["true"]))

    first = project.start(idempotencyToken="one")

    assert project.start(idempotencyToken="one") == first
    assert project.start(idempotencyToken="two") != first
    with pytest.raises(ClientError) as error:
        project.start(idempotencyToken="one", timeoutInMinutesOverride=5)
    assert code_of(error) == "InvalidInputException"


def test_stopped_build_ends_its_processes(projects: Projects, embedded_aws: EmbeddedAws) -> None:
    project = projects.create(buildspec(build=["echo started", "sleep 600"]))
    build = project.start()

    def has_begun() -> bool:
        (found,) = project.api.batch_get_builds(ids=[build])["builds"]
        return found["currentPhase"] == "BUILD"

    eventually(has_begun)
    project.api.stop_build(id=build)

    ended = project.ended(build)
    assert ended["buildStatus"] == "STOPPED"
    assert phases(ended)["BUILD"] == "STOPPED"
    # A build that has ended stays as it is.
    project.api.stop_build(id=build)
    assert project.ended(build)["buildStatus"] == "STOPPED"


def test_what_does_not_exist_is_named(projects: Projects, embedded_aws: EmbeddedAws) -> None:
    api = embedded_aws.client("codebuild")

    with pytest.raises(ClientError, match="Project cannot be found: arn:aws:codebuild:") as error:
        api.start_build(projectName="nosuch")
    assert code_of(error) == "ResourceNotFoundException"
    assert api.batch_get_builds(ids=["nosuch:1"])["buildsNotFound"] == ["nosuch:1"]
    with pytest.raises(ClientError):
        api.stop_build(id="nosuch:1")


def test_quota_of_a_new_account_starts_no_build(
    projects: Projects, embedded_aws: EmbeddedAws
) -> None:
    project = projects.create(buildspec(build=["true"]))
    quota = Path(embedded_aws.state_dir / "codebuild.json")
    quota.write_text(json.dumps({"concurrentBuilds": 0}))
    try:
        with pytest.raises(ClientError, match="Cannot have more than 0 builds in queue") as error:
            project.start()
    finally:
        quota.unlink()

    assert code_of(error) == "AccountLimitExceededException"


def test_values_that_the_api_forbids_are_refused(projects: Projects) -> None:
    project = projects.create(buildspec(build=["true"]))

    with pytest.raises(ClientError) as error:
        project.start(environmentVariablesOverride=[{"name": "A", "value": "a", "type": "SECRET"}])

    assert code_of(error) == "InvalidInputException"


def test_caller_needs_permissions_for_the_project(
    projects: Projects, embedded_aws: EmbeddedAws
) -> None:
    project = projects.create(buildspec(build=["true"]))
    arn = project.stack.outputs["Arn"]
    build = project.start()
    caller = Caller(embedded_aws)
    api = caller.client("codebuild")

    with refused("codebuild:StartBuild", arn):
        api.start_build(projectName=project.name)
    with refused("codebuild:BatchGetBuilds", arn):
        api.batch_get_builds(ids=[build])
    with refused("codebuild:StopBuild", arn):
        api.stop_build(id=build)

    caller.may({"Action": ["codebuild:StartBuild", "codebuild:BatchGetBuilds"], "Resource": arn})
    api.start_build(projectName=project.name)
    assert api.batch_get_builds(ids=[build])["builds"]


def test_role_that_does_not_trust_codebuild_is_refused_with_the_project(
    stacks: StackDriver,
) -> None:
    stack = stacks.create(template(buildspec(build=["true"]), service="lambda.amazonaws.com"))

    assert stack.status == "ROLLBACK_COMPLETE"
    reason = stacks.failures(stack)["Project"]
    assert "CodeBuild is not authorized to perform: sts:AssumeRole on arn:aws:iam" in reason


def test_project_that_codebuild_refuses_is_refused(stacks: StackDriver) -> None:
    stack = stacks.create(template(buildspec(build=["true"]), TimeoutInMinutes=4))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "TimeoutInMinutes" in str(stacks.failures(stack))


def test_build_without_permission_to_write_its_log_fails(projects: Projects) -> None:
    project = projects.create(buildspec(build=["true"]), {"Action": "logs:CreateLogStream"})

    build = project.build()

    assert build["buildStatus"] == "FAILED"
    (failed,) = (one for one in build["phases"] if one.get("phaseStatus") == "FAILED")
    assert failed["contexts"][0]["statusCode"] == "ACCESS_DENIED"
    assert "logs:PutLogEvents" in failed["contexts"][0]["message"]


def test_commands_have_the_permissions_of_the_role_and_no_others(
    projects: Projects, embedded_aws: EmbeddedAws
) -> None:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket="codebuild-sources")
    for key in ("mine/source.zip", "other/source.zip"):
        s3.put_object(Bucket="codebuild-sources", Key=key, Body=b"content of the source\n")
    may_read = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::codebuild-sources/mine/*"}
    spec = buildspec(build=['aws s3 cp "s3://codebuild-sources/$KEY" source', "cat source"])
    project = projects.create(spec, LOGS, may_read)

    def build(key: str) -> dict[str, Any]:
        return project.build(environmentVariablesOverride=[{"name": "KEY", "value": key}])

    mine, other = build("mine/source.zip"), build("other/source.zip")

    assert "content of the source\n" in project.log(mine)
    assert other["buildStatus"] == "FAILED"
    assert "fatal error: An error occurred (403)" in project.log(other)


def test_update_of_the_project_counts_for_the_next_build(
    projects: Projects, stacks: StackDriver
) -> None:
    project = projects.create(buildspec(build=["echo one"]))
    assert "one\n" in project.log(project.build())

    stack = stacks.update(project.stack, template(buildspec(build=["echo two"])))

    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stack.outputs["Name"] == project.name
    assert "two\n" in project.log(project.build())


def test_invalid_buildspec_fails_before_the_first_command(projects: Projects) -> None:
    project = projects.create("version: 0.9")

    build = project.build()

    (failed,) = (one for one in build["phases"] if one.get("phaseStatus") == "FAILED")
    assert failed["phaseType"] == "DOWNLOAD_SOURCE"
    assert failed["contexts"][0]["statusCode"] == "YAML_FILE_ERROR"
