"""The policies of queues and topics in the record of IAM, whether or not a service uses them."""

from collections.abc import Callable

from ministack.services import sqs

from embedded_aws.authorization import engine, record, services
from embedded_aws.cloudformation.engine import (
    Created,
    Properties,
    handlers_of,
    logical_path,
)
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    _note_after("AWS::SQS::QueuePolicy", "Queues", _queue_policies)
    _note_after("AWS::SNS::TopicPolicy", "Topics", services.topic_policies)


def _queue_policies(url: str) -> engine.Policies:
    return services.queue_policies(sqs._queues[url]["attributes"]["QueueArn"])


def _note_after(
    resource_type: str, members: str, policies_of: Callable[[str], engine.Policies]
) -> None:
    handlers = handlers_of(resource_type)
    stock = handlers["create"]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        created: Created = stock(logical_id, properties, stack_name)
        for member in properties[members]:
            record.note_policies(policies_of(member), logical_path(stack_name, logical_id))
        return created

    handlers["create"] = create
