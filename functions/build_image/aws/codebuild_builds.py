"""CodeBuild's builds and their logs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from build_image.codebuild.builds import (
    Build,
    NoMoreBuildsError,
    NotNowError,
    ProjectMissingError,
)
from shared.aws.named_errors import error_code, error_message, named_errors
from shared.errors import AccessDeniedError, AwsCallError

# The agent writes about 20 lines after the one that matters.
_LINES = 100
_LATER = (
    "InternalServerException",
    "InternalFailure",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
_NAMES: Mapping[str, type[AwsCallError]] = {
    "ResourceNotFoundException": ProjectMissingError,
    "AccountLimitExceededException": NoMoreBuildsError,
    "AccountSuspendedException": NoMoreBuildsError,
    **dict.fromkeys(_LATER, NotNowError),
}


class CodeBuildBuilds:
    """See Builds in codebuild.builds."""

    def __init__(self, codebuild: Any, logs: Any, project: str) -> None:
        self._codebuild = codebuild
        self._logs = logs
        self._project = project

    def start(self, token: str, variables: Mapping[str, str]) -> Build:
        with self._errors(f"start a build of the CodeBuild project {self._project}"):
            started = self._codebuild.start_build(
                projectName=self._project,
                idempotencyToken=token,
                environmentVariablesOverride=[
                    {"name": name, "value": value, "type": "PLAINTEXT"}
                    for name, value in variables.items()
                ],
            )
        return _build(started["build"])

    def find(self, build: str) -> Build | None:
        with self._errors(f"look at the build {build}"):
            found = self._codebuild.batch_get_builds(ids=[build])["builds"]
        return _build(found[0]) if found else None

    def stop(self, build: str) -> None:
        with self._errors(f"stop the build {build}"):
            self._codebuild.stop_build(id=build)

    def log_tail(self, build: Build) -> Sequence[str]:
        if not build.log_group or not build.log_stream:
            return ()
        try:
            with named_errors("read the log of the build"):
                found = self._logs.get_log_events(
                    logGroupName=build.log_group,
                    logStreamName=build.log_stream,
                    limit=_LINES,
                    startFromHead=False,
                )
        except AwsCallError as error:
            # An answer without the log is better than none.
            return (str(error),)
        return [str(event["message"]) for event in found["events"]]

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        with named_errors(action, _NAMES):
            try:
                yield
            except ClientError as error:
                # CodeBuild cannot assume a role that was created a moment ago.
                if "sts:AssumeRole" in error_message(error):
                    raise AccessDeniedError(
                        f"Could not {action}: {error_code(error)}: {error_message(error)}"
                    ) from error
                raise
            except BotoCoreError as error:
                raise NotNowError(f"Could not {action}: {error}") from error


def _build(described: Mapping[str, Any]) -> Build:
    status = str(described["buildStatus"])
    phase, message = str(described.get("currentPhase") or ""), ""
    for one in described.get("phases") or ():
        if one.get("phaseStatus") in (None, "SUCCEEDED", "IN_PROGRESS", "QUEUED"):
            continue
        contexts = one.get("contexts") or ()
        # The first one is why it failed. Later ones run nevertheless.
        phase = str(one.get("phaseType") or "")
        message = " ".join(str(each.get("message") or "") for each in contexts).strip()
        break
    logs = described.get("logs") or {}
    return Build(
        str(described["id"]),
        status,
        phase,
        message,
        str(logs.get("groupName") or ""),
        str(logs.get("streamName") or ""),
    )
