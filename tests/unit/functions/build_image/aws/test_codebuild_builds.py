"""CodeBuild's answers, its errors, and the log of a build."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from build_image.aws.codebuild_builds import CodeBuildBuilds
from build_image.codebuild.builds import (
    Build,
    NoMoreBuildsError,
    NotNowError,
    ProjectMissingError,
)
from shared.errors import AccessDeniedError, AwsCallError

BUILD = "airflow:1"
STARTED = {"id": BUILD, "buildStatus": "IN_PROGRESS", "currentPhase": "SUBMITTED"}
LOGS = {"groupName": "/codebuild", "streamName": "stream"}


@pytest.fixture
def codebuild(stubbed: Callable[[str], Stubber]) -> Stubber:
    return stubbed("codebuild")


@pytest.fixture
def logs(stubbed: Callable[[str], Stubber]) -> Stubber:
    return stubbed("logs")


@pytest.fixture
def builds(codebuild: Stubber, logs: Stubber) -> CodeBuildBuilds:
    return CodeBuildBuilds(codebuild.client, logs.client, "airflow")


def test_build_is_started_with_the_token_and_the_variables(
    codebuild: Stubber, builds: CodeBuildBuilds
) -> None:
    codebuild.add_response(
        "start_build",
        {"build": STARTED},
        {
            "projectName": "airflow",
            "idempotencyToken": "token",
            "environmentVariablesOverride": [
                {"name": "IMAGE", "value": "a:b", "type": "PLAINTEXT"}
            ],
        },
    )

    assert builds.start("token", {"IMAGE": "a:b"}) == Build(BUILD, "IN_PROGRESS", "SUBMITTED")


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ResourceNotFoundException", "Project cannot be found", ProjectMissingError),
        ("AccountLimitExceededException", "Cannot have more than 0 builds", NoMoreBuildsError),
        ("ThrottlingException", "Rate exceeded", NotNowError),
        ("AccessDeniedException", "is not authorized", AccessDeniedError),
        (
            "InvalidInputException",
            "CodeBuild is not authorized to perform: sts:AssumeRole on arn:aws:iam::1:role/a",
            AccessDeniedError,
        ),
        ("InvalidInputException", "Image is not valid", AwsCallError),
    ],
)
def test_refusal_has_a_name(
    codebuild: Stubber,
    builds: CodeBuildBuilds,
    code: str,
    message: str,
    expected: type[Exception],
) -> None:
    codebuild.add_client_error("start_build", code, message)

    with pytest.raises(expected, match="Could not start a build") as raised:
        builds.start("token", {})

    assert type(raised.value) is expected


def test_lost_connection_while_waiting_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, codebuild: Stubber, builds: CodeBuildBuilds
) -> None:
    def lost(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://codebuild")

    monkeypatch.setattr(codebuild.client, "batch_get_builds", lost)

    with pytest.raises(NotNowError):
        builds.find(BUILD)


def test_first_phase_that_failed_is_the_one_that_counts(
    codebuild: Stubber, builds: CodeBuildBuilds
) -> None:
    described = {
        "id": BUILD,
        "buildStatus": "FAILED",
        "currentPhase": "COMPLETED",
        "logs": LOGS,
        "phases": [
            {"phaseType": "PRE_BUILD", "phaseStatus": "SUCCEEDED", "contexts": []},
            {
                "phaseType": "BUILD",
                "phaseStatus": "FAILED",
                "contexts": [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "exit 1"}],
            },
            {"phaseType": "POST_BUILD", "phaseStatus": "FAILED"},
            {"phaseType": "COMPLETED"},
        ],
    }
    codebuild.add_response("batch_get_builds", {"builds": [described]}, {"ids": [BUILD]})

    assert builds.find(BUILD) == Build(BUILD, "FAILED", "BUILD", "exit 1", "/codebuild", "stream")


def test_running_build_has_the_phase_that_it_is_in(
    codebuild: Stubber, builds: CodeBuildBuilds
) -> None:
    described = {
        "id": BUILD,
        "buildStatus": "IN_PROGRESS",
        "currentPhase": "BUILD",
        "phases": [{"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED"}, {"phaseType": "BUILD"}],
    }
    codebuild.add_response("batch_get_builds", {"builds": [described]}, {"ids": [BUILD]})

    assert builds.find(BUILD) == Build(BUILD, "IN_PROGRESS", "BUILD")


def test_build_that_was_deleted_is_none(codebuild: Stubber, builds: CodeBuildBuilds) -> None:
    answer: dict[str, Any] = {"builds": [], "buildsNotFound": [BUILD]}
    codebuild.add_response("batch_get_builds", answer, {"ids": [BUILD]})

    assert builds.find(BUILD) is None


def test_build_is_stopped(codebuild: Stubber, builds: CodeBuildBuilds) -> None:
    codebuild.add_response("stop_build", {"build": STARTED}, {"id": BUILD})

    builds.stop(BUILD)


def test_end_of_the_log_is_read(logs: Stubber, builds: CodeBuildBuilds) -> None:
    logs.add_response(
        "get_log_events",
        {"events": [{"message": "one\n"}, {"message": "two\n"}]},
        {
            "logGroupName": "/codebuild",
            "logStreamName": "stream",
            "limit": 100,
            "startFromHead": False,
        },
    )
    build = Build(BUILD, "FAILED", log_group="/codebuild", log_stream="stream")

    assert builds.log_tail(build) == ["one\n", "two\n"]


def test_log_that_cannot_be_read_does_not_hide_the_failure(
    logs: Stubber, builds: CodeBuildBuilds
) -> None:
    logs.add_client_error("get_log_events", "ResourceNotFoundException", "no such stream")
    build = Build(BUILD, "FAILED", log_group="/codebuild", log_stream="stream")

    (line,) = builds.log_tail(build)
    assert "Could not read the log of the build" in line


def test_build_without_a_log_has_no_lines(builds: CodeBuildBuilds) -> None:
    assert builds.log_tail(Build(BUILD, "FAILED")) == ()
