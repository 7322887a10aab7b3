"""What a schema change needs from AWS."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class QuiescedServices:
    """Services that a task has set to 0, with their counts. `version` is the note's."""

    owner: str
    counts: dict[str, int]
    version: str


class UpgradeNotes(Protocol):
    """The notes of the image's schema commands."""

    def call_off(self, task_definition_arn: str) -> bool:
        """Prevent the migration to this revision's image; False if it has already begun."""

    def quiesced(self) -> QuiescedServices | None: ...

    def forget_quiesced(self, noted: QuiescedServices) -> bool:
        """Clear exactly this note; False if it has been replaced by another."""


class Services(Protocol):
    """The services of the cluster."""

    def desired_count(self, service_arn: str) -> int | None:
        """None if the service no longer exists."""

    def set_desired_count(self, service_arn: str, count: int) -> None: ...
