"""Custom::AirflowImage: the image of the source, built if it does not exist, and its scan.

What does not end in one call is continued by another one: the function calls itself with
CloudFormation's request and what was made so far, at most three times.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from build_image.attempt import attempt
from build_image.aws.codebuild_builds import CodeBuildBuilds
from build_image.aws.ecr_repository import EcrRepository
from build_image.aws.ecr_scans import EcrScans
from build_image.aws.lambda_continuation import LambdaContinuation
from build_image.aws.s3_source_store import S3SourceStore
from build_image.budget import Budget, ContinueError
from build_image.builder import Builder, BuiltImage
from build_image.checks.codebuild_files import check_without_codebuild
from build_image.codebuild.builder import AwaitBuildError, CodeBuildBuilder
from build_image.findings.gate import AwaitScanError, Gate, ImageRefusedError, Verdict
from build_image.model import Part
from build_image.registry import OciRegistry
from build_image.settings import BuildImageSettings
from build_image.source import Source
from build_image.uv import Uv, program_beside
from shared.aws import clients
from shared.aws.cloudformation_stacks import CloudFormationStacks
from shared.aws.https_answer_channel import HttpsAnswerChannel
from shared.cloudformation.custom_resource import (
    ANSWER_LATER,
    SUCCESS,
    Answer,
    AnswerLater,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.cloudformation.deadline import within
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed

CONTINUATION = "continueImageBuild"
# The CodeBuild project that builds the image in the place of this function; empty without one.
PROJECT = "CodeBuildProject"
# What is kept for the answer, with one repetition when CloudFormation's bucket is slow.
_ANSWER_SECONDS = 22
_WORK_FOLDER = "airflow-image"
_NOTE = "airflow-image-attempt"
_FINDINGS_A_LINE = 50


@dataclass(frozen=True)
class Progress:
    """What earlier calls for the same request have done."""

    call: int = 1
    parts: Mapping[str, Part] = field(default_factory=dict)
    # When the waiting for the scan ends, if it has begun.
    scan_until: float | None = None
    # The build in CodeBuild, if one has been started.
    build: str = ""

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Progress":
        parts = {key: Part.from_json(part) for key, part in document["parts"].items()}
        build = str(document.get("build", ""))
        return cls(int(document["call"]), parts, document.get("scanUntil"), build)

    def to_json(self) -> dict[str, Any]:
        return {
            "call": self.call,
            "parts": {key: part.to_json() for key, part in self.parts.items()},
            "scanUntil": self.scan_until,
            "build": self.build,
        }


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> None:
    progress = Progress()
    if CONTINUATION in event:
        progress = Progress.from_json(event[CONTINUATION])
        event = event[CONTINUATION]["request"]
    if not is_custom_resource_event(event):
        raise UnknownEventError(event)

    def work(request: CustomResourceRequest) -> Answer | AnswerLater:
        # The images belong to the repository, and are deleted with it.
        if request.request_type == "Delete":
            return SUCCESS
        # Whatever hangs, CloudFormation is answered before Lambda ends the call.
        seconds = _seconds(context) - _ANSWER_SECONDS
        note = Path(tempfile.gettempdir()) / _NOTE
        with attempt(note, f"{request.request_id} {progress.call}"):
            return within(seconds, lambda: _provide(request, progress, context, telemetry))

    request = CustomResourceRequest.from_event(event)
    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)


def _provide(
    request: CustomResourceRequest,
    progress: Progress,
    context: LambdaContext,
    telemetry: Telemetry,
) -> Answer | AnswerLater:
    settings = BuildImageSettings.from_environment(os.environ)
    source = Source(settings.source_folder, settings.architecture, settings.base_image)
    budget = Budget(lambda: _seconds(context) - _ANSWER_SECONDS, progress.call)
    project = str(request.properties.get(PROJECT, ""))
    builder: Builder | CodeBuildBuilder
    if project:
        builder = _codebuild(settings, source, budget, progress, project, request.request_id)
    else:
        builder = _builder(settings, source, budget, progress)
    gate = Gate(
        scans=EcrScans(clients.ecr(), settings.repository_name),
        stacks=CloudFormationStacks(clients.cloudformation(), telemetry.logger),
        accepted_file=source.accepted_findings,
        remaining_seconds=lambda: budget.remaining_seconds() - budget.reserve_seconds,
        call=progress.call,
    )
    try:
        policy = gate.policy(request)
        if not project:
            check_without_codebuild(source.user)
        built = builder.build()
        _log_built(built, telemetry)
        verdict = gate.check(built.digest, policy, progress.scan_until)
    except ContinueError as error:
        telemetry.logger.info(
            "Another call continues", next_step=str(error), call=progress.call + 1
        )
        until = error.until if isinstance(error, AwaitScanError) else None
        build = error.build if isinstance(error, AwaitBuildError) else progress.build
        following = Progress(progress.call + 1, builder.parts, until, build)
        LambdaContinuation(clients.lambda_(), context.function_name).call(
            {CONTINUATION: {**following.to_json(), "request": request.to_event()}}
        )
        return ANSWER_LATER
    except Exception:
        telemetry.count(MetricName.IMAGE_BUILDS_FAILED)
        raise
    _log_verdict(verdict, telemetry)
    if verdict.refusal:
        telemetry.count(MetricName.IMAGES_REFUSED)
        raise ImageRefusedError(f"The image {built.tag} is refused. {verdict.refusal}")
    return Answer(
        "SUCCESS",
        data={
            "Uri": f"{settings.repository_uri}@{built.digest}",
            "Digest": built.digest,
            "Tag": built.tag,
            "Findings": verdict.summary,
        },
    )


def _builder(
    settings: BuildImageSettings, source: Source, budget: Budget, progress: Progress
) -> Builder:
    folder = Path(tempfile.gettempdir()) / _WORK_FOLDER
    return Builder(
        source=source,
        repository=EcrRepository(clients.ecr(), settings.repository_name),
        base_images=OciRegistry(settings.base_mirror),
        packages=Uv(_uv(), settings.architecture, folder, _index_settings()),
        folder=folder,
        budget=budget,
        parts=dict(progress.parts),
    )


def _codebuild(
    settings: BuildImageSettings,
    source: Source,
    budget: Budget,
    progress: Progress,
    project: str,
    token: str,
) -> CodeBuildBuilder:
    return CodeBuildBuilder(
        source=source,
        repository=EcrRepository(clients.ecr(), settings.repository_name),
        base_images=OciRegistry(settings.base_mirror),
        builds=CodeBuildBuilds(clients.codebuild(), clients.logs(), project),
        store=S3SourceStore(clients.s3(), settings.source_bucket),
        repository_uri=settings.repository_uri,
        folder=Path(tempfile.gettempdir()) / _WORK_FOLDER,
        budget=budget,
        token=token,
        running=progress.build,
    )


def _log_built(built: BuiltImage, telemetry: Telemetry) -> None:
    telemetry.logger.info(
        "The image is stored",
        digest=built.digest,
        tag=built.tag,
        uploaded_bytes=dict(built.made),
    )
    if built.made:
        telemetry.count(MetricName.IMAGES_BUILT)


def _log_verdict(verdict: Verdict, telemetry: Telemetry) -> None:
    telemetry.logger.info("Findings in the image", findings=verdict.summary)
    if verdict.warning:
        telemetry.logger.warning("The image is used without a scan", reason=verdict.warning)
    for described, findings in (
        ("Refused" if verdict.refusal else "Severe", verdict.serious),
        ("Accepted", verdict.accepted),
    ):
        # A line of a log has room for 256 KB.
        for first in range(0, len(findings), _FINDINGS_A_LINE):
            listed = [str(one) for one in findings[first : first + _FINDINGS_A_LINE]]
            telemetry.logger.warning(f"{described} findings", findings=listed)
    for entry in verdict.expired:
        telemetry.logger.warning(
            "An accepted finding has expired", id=entry.id, expires=str(entry.expires)
        )


def _seconds(context: LambdaContext) -> float:
    return float(context.get_remaining_time_in_millis()) / 1000


def _uv() -> Path:
    """The program of uv: its wheel is installed beside this package."""
    return program_beside(Path(os.environ.get("UV_FOLDER") or Path(__file__).parents[1]))


def _index_settings() -> dict[str, str]:
    """What the stack says about package indexes, in uv's own variables."""
    return {name: value for name, value in os.environ.items() if name.startswith("UV_")}
