"""Custom::Preflight: stop an impossible deployment before anything costs."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from preflight.aws.iam_service_linked_roles import IamServiceLinkedRoles
from preflight.check import ParametersRefusedError, check
from shared.aws import clients
from shared.aws.https_answer_channel import HttpsAnswerChannel
from shared.cloudformation.custom_resource import (
    SUCCESS,
    Answer,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> None:
    if not is_custom_resource_event(event):
        raise UnknownEventError(event)

    def work(request: CustomResourceRequest) -> Answer:
        # There is nothing to undo: the account's service-linked role may serve other clusters.
        if request.request_type == "Delete":
            return SUCCESS
        try:
            check(request.properties, IamServiceLinkedRoles(clients.iam()))
        except ParametersRefusedError:
            telemetry.count(MetricName.PARAMETERS_REFUSED)
            raise
        return SUCCESS

    request = CustomResourceRequest.from_event(event)
    fulfil(request, work, HttpsAnswerChannel(), telemetry.logger)
