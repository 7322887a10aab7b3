"""The policies of roles are put on record, so that a statement that nothing uses is known."""

from ministack.services.cloudformation import provisioners

from embedded_aws.authorization import engine, record
from embedded_aws.cloudformation.engine import Created, Properties, handlers_of, logical_path
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    handlers = handlers_of("AWS::IAM::Role")
    create, update = handlers["create"], handlers["update"]

    def create_noted(logical_id: str, properties: Properties, stack_name: str) -> Created:
        created: Created = create(logical_id, properties, stack_name)
        note_role(created[0], logical_path(stack_name, logical_id))
        return created

    def update_noted(
        name: str, old: Properties, new: Properties, stack_name: str, *logical_id: str
    ) -> Created:
        updated: Created = update(name, old, new, stack_name, *logical_id)
        note_role(updated[0], logical_path(stack_name, logical_id[0]) if logical_id else "")
        return updated

    handlers.update(create=create_noted, update=update_noted)
    provisioners._iam_role_create = create_noted  # its update handler calls this name


def note_role(name: str, origin: str) -> None:
    """Record the policies of a role."""
    record.note_policies(engine.role_policies(name), origin)
    record.note_policies(engine.trust_policies(name), origin)
