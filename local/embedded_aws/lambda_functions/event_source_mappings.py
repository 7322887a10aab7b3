"""Queues as event sources: which mappings Lambda refuses, large batches, and the batching window.

ministack 1.5.33 runs them with MaximumConcurrency, but it receives at most ten messages at once,
ignores MaximumBatchingWindowInSeconds, and creates any mapping. Lambda waits until a window has
passed since the first message, or until the batch is full. It reads the queue with the function's
role, and refuses a mapping whose role may not, or whose queue would give a message back while the
function still has it.
"""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from ministack.services import lambda_svc, sqs

from embedded_aws.authorization import engine, record
from embedded_aws.authorization.requests import keys
from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.lambda_functions.invocation import function_record
from embedded_aws.settings import Settings

MAPPING = "AWS::Lambda::EventSourceMapping"
# The largest payload of a call; the rest of a record takes about a kilobyte.
_MOST_BYTES = 6 * 1024 * 1024
_RECORD_BYTES = 1024
_READING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

# When the first message was seen that no batch has taken yet, by the queue's URL.
_first_seen: dict[str, float] = {}


class MappingError(ValueError):
    """Lambda would refuse the event source mapping."""


def install(settings: Settings) -> None:
    handlers = handlers_of(MAPPING)
    create, update = handlers["create"], handlers["update"]

    def create_legal(logical_id: str, properties: Properties, stack_name: str) -> Created:
        _check(properties)
        created: Created = create(logical_id, properties, stack_name)
        return created

    def update_legal(mapping_id: str, old: Properties, new: Properties, *more: str) -> Created:
        _check(new, mapping_id)
        updated: Created = update(mapping_id, old, new, *more)
        return updated

    handlers.update(create=create_legal, update=update_legal)
    _refuse_requests()
    sqs._receive_messages_for_esm = _receive


def _refuse_requests() -> None:
    create = lambda_svc._create_esm

    def create_legal(data: dict[str, Any]) -> Any:
        try:
            _check(data)
        except MappingError as error:
            return lambda_svc.error_response_json("InvalidParameterValueException", str(error), 400)
        return create(data)

    lambda_svc._create_esm = create_legal


def _check(properties: Mapping[str, Any], mapping_id: str = "") -> None:
    source = str(properties.get("EventSourceArn", ""))
    if ":sqs:" not in source:
        return
    queue = sqs._queue_by_arn(source)
    if queue is None:
        raise MappingError(
            f"Error occurred while ReceiveMessage. SQS queue {source} does not exist"
        )
    record = function_record(str(properties.get("FunctionName", "")))
    if record is None:
        raise MappingError(f"Function not found: {properties.get('FunctionName')}")
    config = record.get("config") or record
    visibility = int(queue["attributes"].get("VisibilityTimeout", 30))
    if visibility < int(config.get("Timeout", 3)):
        raise MappingError(
            f"Queue visibility timeout: {visibility} seconds is less than Function timeout: "
            f"{config['Timeout']} seconds"
        )
    for other in list(lambda_svc._esms.values()):
        same = (other["EventSourceArn"], other["FunctionName"]) == (source, config["FunctionName"])
        if same and other["UUID"] != mapping_id:
            raise MappingError(
                f'An event source mapping with SQS arn (" {source} ") and function (" '
                f'{config["FunctionName"]} ") already exists. Please update or delete the existing '
                f"mapping with UUID {other['UUID']}"
            )
    for action in _READING:
        if not _may(str(config.get("Role", "")), action, source):
            raise MappingError(
                "The provided execution role does not have permissions to call "
                f"{action.partition(':')[2]} on SQS"
            )
    for permission in keys.permissions(keys.key_of_queue(queue), "sqs", keys.DECRYPT):
        role = str(config.get("Role", ""))
        if not _may(role, permission.action, permission.resource, permission.context):
            raise MappingError(
                "The function execution role does not have permissions to call Decrypt on KMS for "
                f"{source}"
            )


def _may(
    role_arn: str, action: str, resource: str, context: Mapping[str, Any] | None = None
) -> bool:
    return record.is_allowed(engine.decide_for_role(role_arn, "lambda", action, resource, context))


def _receive(queue_url: str, batch_size: int) -> list[dict[str, Any]]:
    """The next batch of a queue; empty until its window has passed or it is full."""
    with sqs._queues_lock:
        queue = sqs._get_q(queue_url)
        sqs._expire_retained(queue)
        sqs._dlq_sweep(queue)
        most = 10 if queue["is_fifo"] else _fitting(queue, max(1, int(batch_size)))
        if _waits(queue_url, queue, most):
            return []
        _first_seen.pop(queue_url, None)
        visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
        batch: list[dict[str, Any]] = sqs._collect_msgs(queue, most, visibility)
        return batch


def _waits(queue_url: str, queue: dict[str, Any], most: int) -> bool:
    window = _window_of(str(queue["attributes"].get("QueueArn")))
    count = len(_visible(queue))
    if not window or not count or count >= most:
        return False
    now = time.monotonic()
    remaining = _first_seen.setdefault(queue_url, now) + window - now
    if remaining <= 0:
        return False
    # The poller would otherwise look again only after a second.
    timer = threading.Timer(remaining, lambda_svc._esm_wake.set)
    timer.daemon = True
    timer.start()
    return True


def _visible(queue: dict[str, Any]) -> list[dict[str, Any]]:
    now = time.time()
    return [message for message in queue["messages"] if message.get("visible_at", 0) <= now]


def _fitting(queue: dict[str, Any], batch_size: int) -> int:
    """How many of the next messages fit into one call."""
    size = 0
    for number, message in enumerate(_visible(queue)[:batch_size]):
        size += len(json.dumps(message["body"])) + _RECORD_BYTES
        if size > _MOST_BYTES:
            return max(1, number)
    return batch_size


def _window_of(queue_arn: str) -> float:
    windows = [
        float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        for mapping in list(lambda_svc._esms.values())
        if mapping["EventSourceArn"] == queue_arn
    ]
    return max(windows, default=0)
