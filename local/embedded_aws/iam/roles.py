"""The descriptions of roles, which IAM restricts to Latin-1, and their policies in the record.

ministack 1.5.33 takes any text.
"""

import re

from ministack.services.cloudformation import provisioners

from embedded_aws.authorization import engine, record
from embedded_aws.cloudformation.engine import Created, Properties, handlers_of, logical_path
from embedded_aws.settings import Settings

_LEGAL = re.compile(r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]{0,1000}")


class InvalidDescriptionError(ValueError):
    """IAM would refuse the description."""


def install(settings: Settings) -> None:
    handlers = handlers_of("AWS::IAM::Role")
    create, update = handlers["create"], handlers["update"]

    def create_legal(logical_id: str, properties: Properties, stack_name: str) -> Created:
        _check(properties)
        created: Created = create(logical_id, properties, stack_name)
        note_role(created[0], logical_path(stack_name, logical_id))
        return created

    def update_legal(
        name: str, old: Properties, new: Properties, stack_name: str, *logical_id: str
    ) -> Created:
        _check(new)
        updated: Created = update(name, old, new, stack_name, *logical_id)
        note_role(updated[0], logical_path(stack_name, logical_id[0]) if logical_id else "")
        return updated

    handlers.update(create=create_legal, update=update_legal)
    provisioners._iam_role_create = create_legal  # its update handler calls this name


def note_role(name: str, origin: str) -> None:
    """Record the policies of a role, so that a statement that nothing uses is known."""
    record.note_policies(engine.role_policies(name), origin)
    record.note_policies(engine.trust_policies(name), origin)


def _check(properties: Properties) -> None:
    description = str(properties.get("Description", ""))
    if not _LEGAL.fullmatch(description):
        raise InvalidDescriptionError(
            f"1 validation error detected: Value '{description}' at 'description' failed to "
            "satisfy constraint: Member must satisfy regular expression pattern: "
            f"{_LEGAL.pattern.replace('{0,1000}', '*')} (ValidationError)"
        )
