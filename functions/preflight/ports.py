"""What the preflight needs of AWS."""

from typing import Protocol


class ServiceLinkedRoles(Protocol):
    """The roles by which AWS services act in the account."""

    def ensure(self, service: str) -> None:
        """Create the service's role unless it exists; return when it can be used."""


class PrefixLists(Protocol):
    """Lists of addresses that AWS maintains."""

    def find(self, name: str) -> str | None:
        """The id of the list in this region; None if there is none."""


class Workers(Protocol):
    """The workers of the stack."""

    def count(self, stack_name: str) -> int:
        """How many run or start."""


class Stacks(Protocol):
    """CloudFormation's stacks."""

    def is_rolling_back(self, stack_id: str) -> bool:
        """Whether the stack goes back to what it was before an update."""
