"""SQS: a batch needs the permission of the single action.

ministack 1.5.33 asks for `sqs:SendMessageBatch`, which does not exist in IAM.
"""

from embedded_aws.authorization.requests.request import ApiRequest, Permission


def needs(request: ApiRequest) -> list[Permission] | None:
    if not request.operation.endswith("Batch"):
        return None
    return [Permission(request.action.removesuffix("Batch"), request.stock_resource)]
