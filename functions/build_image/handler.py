"""Custom::AirflowImage: the image of the source, built if it does not exist.

A build that does not end in one call is continued by another one: the function calls itself with
CloudFormation's request and what was made so far, at most three times.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aws_lambda_powertools.utilities.typing import LambdaContext

from build_image.attempt import attempt
from build_image.aws.ecr_repository import EcrRepository
from build_image.aws.lambda_continuation import LambdaContinuation
from build_image.budget import Budget, ContinueError
from build_image.builder import Builder
from build_image.model import Part
from build_image.registry import OciRegistry
from build_image.settings import BuildImageSettings
from build_image.source import Source
from build_image.uv import Uv, program_beside
from shared.aws import clients
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
# What is kept for the answer, with one repetition when CloudFormation's bucket is slow.
_ANSWER_SECONDS = 22
_WORK_FOLDER = "airflow-image"
_NOTE = "airflow-image-attempt"


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> None:
    call, parts = 1, {}
    if CONTINUATION in event:
        state = event[CONTINUATION]
        call = int(state["call"])
        parts = {key: Part.from_json(part) for key, part in state["parts"].items()}
        event = state["request"]
    if not is_custom_resource_event(event):
        raise UnknownEventError(event)

    def work(request: CustomResourceRequest) -> Answer | AnswerLater:
        # The images belong to the repository, and are deleted with it.
        if request.request_type == "Delete":
            return SUCCESS
        # Whatever hangs, CloudFormation is answered before Lambda ends the call.
        seconds = _seconds(context) - _ANSWER_SECONDS
        note = Path(tempfile.gettempdir()) / _NOTE
        with attempt(note, f"{request.request_id} {call}"):
            return within(seconds, lambda: _build(request, call, parts, context, telemetry))

    request = CustomResourceRequest.from_event(event)
    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)


def _build(
    request: CustomResourceRequest,
    call: int,
    parts: Mapping[str, Part],
    context: LambdaContext,
    telemetry: Telemetry,
) -> Answer | AnswerLater:
    settings = BuildImageSettings.from_environment(os.environ)
    folder = Path(tempfile.gettempdir()) / _WORK_FOLDER
    builder = Builder(
        source=Source(settings.source_folder, settings.architecture, settings.base_image),
        repository=EcrRepository(clients.ecr(), settings.repository_name),
        base_images=OciRegistry(settings.base_mirror),
        packages=Uv(_uv(), settings.architecture, folder, _index_settings()),
        folder=folder,
        budget=Budget(lambda: _seconds(context) - _ANSWER_SECONDS, call),
        parts=dict(parts),
    )
    try:
        built = builder.build()
    except ContinueError as error:
        telemetry.logger.info("Another call continues", next_step=str(error), call=call + 1)
        made = {key: part.to_json() for key, part in builder.parts.items()}
        LambdaContinuation(clients.lambda_(), context.function_name).call(
            {CONTINUATION: {"call": call + 1, "parts": made, "request": request.to_event()}}
        )
        return ANSWER_LATER
    except Exception:
        telemetry.count(MetricName.IMAGE_BUILDS_FAILED)
        raise
    uri = f"{settings.repository_uri}@{built.digest}"
    telemetry.logger.info(
        "The image is stored", image=uri, tag=built.tag, uploaded_bytes=dict(built.made)
    )
    if built.made:
        telemetry.count(MetricName.IMAGES_BUILT)
    return Answer("SUCCESS", data={"Uri": uri, "Digest": built.digest, "Tag": built.tag})


def _seconds(context: LambdaContext) -> float:
    return float(context.get_remaining_time_in_millis()) / 1000


def _uv() -> Path:
    """The program of uv: its wheel is installed beside this package."""
    return program_beside(Path(os.environ.get("UV_FOLDER") or Path(__file__).parents[1]))


def _index_settings() -> dict[str, str]:
    """What the stack says about package indexes, in uv's own variables."""
    return {name: value for name, value in os.environ.items() if name.startswith("UV_")}
