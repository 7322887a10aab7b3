"""What the builder needs of CodeBuild and of the place where CodeBuild finds the source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.errors import AwsCallError

IN_PROGRESS = "IN_PROGRESS"
SUCCEEDED = "SUCCEEDED"


class NotNowError(AwsCallError):
    """AWS does not answer at the moment; the same call may succeed later."""


class ProjectMissingError(AwsCallError):
    """The project does not exist."""


class NoMoreBuildsError(AwsCallError):
    """The account may not run another build at the moment, or none at all."""


@dataclass(frozen=True)
class Build:
    """A build as it is now."""

    id: str
    # As CodeBuild names it: IN_PROGRESS, SUCCEEDED, FAILED, FAULT, TIMED_OUT or STOPPED.
    status: str
    # The phase in which it is, or the one that failed, and what CodeBuild says about it.
    phase: str = ""
    message: str = ""
    log_group: str = ""
    log_stream: str = ""


class Builds(Protocol):
    """The builds of the stack's project."""

    def start(self, token: str, variables: Mapping[str, str]) -> Build:
        """Start a build. The same token starts no second one for five minutes.

        Raises:
            ProjectMissingError, NoMoreBuildsError, NotNowError: see there.
        """

    def find(self, build: str) -> Build | None:
        """A build by its id; None if it was deleted."""

    def stop(self, build: str) -> None:
        """End a build that still runs."""

    def log_tail(self, build: Build) -> Sequence[str]:
        """The last lines of a build's log; none if there is no log or it cannot be read."""


class SourceStore(Protocol):
    """Where CodeBuild finds the source."""

    def put(self, archive: Path, name: str) -> str:
        """Store an archive; returns its address. A repetition changes nothing."""
