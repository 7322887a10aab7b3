"""SQS: a batch needs the permission of the single action, and an encrypted queue its key.

ministack 1.5.33 asks for `sqs:SendMessageBatch`, which does not exist in IAM.
"""

from embedded_aws.authorization.requests import keys
from embedded_aws.authorization.requests.request import ApiRequest, Permission

# SQS asks a sender for both, because it checks that the message can be read.
_KEY_ACTIONS = {
    "SendMessage": (keys.GENERATE, keys.DECRYPT),
    "ReceiveMessage": (keys.DECRYPT,),
}


def needs(request: ApiRequest) -> list[Permission] | None:
    operation = request.operation.removesuffix("Batch")
    if operation == request.operation and operation not in _KEY_ACTIONS:
        return None
    resource = request.stock_resource
    key = keys.key_of_queue_arn(resource) if operation in _KEY_ACTIONS else ""
    return [
        Permission(request.action.removesuffix("Batch"), resource),
        *keys.permissions(key, "sqs", *_KEY_ACTIONS.get(operation, ())),
    ]
