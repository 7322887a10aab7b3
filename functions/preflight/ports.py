"""What the check needs of AWS."""

from typing import Protocol


class ServiceLinkedRoles(Protocol):
    """The roles by which AWS services act in the account."""

    def ensure(self, service: str) -> None:
        """Make the service's role unless it exists."""
