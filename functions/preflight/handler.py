"""Custom::Preflight stops an impossible deployment before anything costs.

Custom::CloudFrontPrefixList is a resource of its own, because a change set treats every attribute
of a changed resource as unknown, and the preflight changes with almost every parameter.
"""

from collections.abc import Sequence

from aws_lambda_powertools.utilities.typing import LambdaContext

from preflight.aws.ec2_prefix_lists import Ec2PrefixLists
from preflight.aws.ecs_workers import EcsWorkers
from preflight.aws.iam_service_linked_roles import IamServiceLinkedRoles
from preflight.preflight import ParametersRefusedError, Preflight
from shared.aws import clients
from shared.aws.cloudformation_stacks import CloudFormationStacks
from shared.aws.https_answer_channel import HttpsAnswerChannel
from shared.cloudformation.custom_resource import (
    SUCCESS,
    Answer,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.cloudformation.deadline import within
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed

PREFIX_LIST_TYPE = "Custom::CloudFrontPrefixList"
# What is kept for the answer, with one repetition when CloudFormation's bucket is slow.
_ANSWER_SECONDS = 22


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> None:
    if not is_custom_resource_event(event):
        raise UnknownEventError(event)

    def tolerated(problems: Sequence[str]) -> None:
        telemetry.logger.warning("Accepted, because the stack is rolling back", problems=problems)

    def work(request: CustomResourceRequest) -> Answer:
        # Nothing to undo: the account's service-linked role may serve other clusters.
        if request.request_type == "Delete":
            return SUCCESS
        preflight = Preflight(
            roles=IamServiceLinkedRoles(clients.iam()),
            prefix_lists=Ec2PrefixLists(clients.ec2()),
            stacks=CloudFormationStacks(clients.cloudformation(), telemetry.logger),
            workers=EcsWorkers(clients.ecs()),
            tolerated=tolerated,
        )
        # Whatever hangs, CloudFormation is answered before Lambda ends the call.
        seconds = context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS
        try:
            if request.resource_type == PREFIX_LIST_TYPE:
                return Answer("SUCCESS", data=within(seconds, preflight.cloudfront_prefix_list))
            within(seconds, lambda: preflight.run(request))
            return SUCCESS
        except ParametersRefusedError:
            telemetry.count(MetricName.PARAMETERS_REFUSED)
            raise

    request = CustomResourceRequest.from_event(event)
    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)
