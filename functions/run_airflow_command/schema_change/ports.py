"""What a schema change needs of AWS."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class QuiescedServices:
    """Services that a task has set to 0, with their counts. `version` is of the note itself."""

    owner: str
    counts: dict[str, int]
    version: str


class UpgradeNotes(Protocol):
    """What the image's commands have written down."""

    def call_off(self, task_definition_arn: str) -> bool:
        """Whether no migration to this revision's image has begun; then none will any more."""

    def quiesced(self) -> QuiescedServices | None: ...

    def forget_quiesced(self, noted: QuiescedServices) -> bool:
        """Forget just this note; False when it has been replaced by another."""


class Services(Protocol):
    """The services of the cluster."""

    def desired_count(self, service_arn: str) -> int | None:
        """None if there is no such service any more."""

    def set_desired_count(self, service_arn: str, count: int) -> None: ...
