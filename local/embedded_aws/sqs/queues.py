"""AWS::SQS::Queue is refused under the name of a queue that exists.

ministack 1.5.33 puts a new, empty queue in its place, and the messages are gone.
"""

from ministack.core.responses import get_account_id
from ministack.services import sqs
from ministack.services.cloudformation import provisioners

from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.settings import Settings


class QueueNameExistsError(ValueError):
    """Another stack, or an earlier resource of this one, has the queue."""


def install(settings: Settings) -> None:
    create = provisioners._sqs_create

    def create_new(logical_id: str, properties: Properties, stack_name: str) -> Created:
        name, _is_fifo = provisioners._sqs_queue_name(properties, stack_name, logical_id)
        if sqs._queue_url_for_account(get_account_id(), name) in sqs._queues:
            raise QueueNameExistsError(
                f"Queue creation failed because the queue already exists: {name} (QueueNameExists)"
            )
        created: Created = create(logical_id, properties, stack_name)
        return created

    handlers_of("AWS::SQS::Queue")["create"] = create_new
    provisioners._sqs_create = create_new  # its update handler calls this name
