"""The stack itself: its name, and what its first deployment may not have."""

import re
from collections.abc import Iterator

from preflight.parameters import Parameters

# The longest name derived from the stack's is the scaler's, "<stack>-scale-workers"; those of
# load balancers and target groups, and of what users add, need room as well.
MAX_STACK_NAME_LENGTH = 40
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def stack_name_problems(parameters: Parameters) -> Iterator[str]:
    name = parameters.text("StackName")
    if len(name) > MAX_STACK_NAME_LENGTH:
        yield (
            f"The stack's name {name} has {len(name)} characters, but names derived from it leave "
            f"room for {MAX_STACK_NAME_LENGTH}: choose a shorter name."
        )
    if not _STACK_NAME.fullmatch(name):
        yield (
            f"The stack's name {name!r} must start with a letter and contain only letters, digits "
            "and hyphens: choose another name."
        )


def creation_problems(parameters: Parameters) -> Iterator[str]:
    """What a stack may only get after its first deployment."""
    if "protected" in parameters.items("Options"):
        yield (
            "Options contains protected, but a first deployment that fails could not be rolled "
            "back with a protected database: deploy without it, then add it with a second "
            "deployment."
        )
