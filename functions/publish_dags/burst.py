"""Publish a burst of changes as one release.

`aws s3 sync` of a hundred files causes a hundred events. The call for the first event claims the
burst, waits until the folder stops changing, and publishes. The other calls find the claim and end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from publish_dags.publisher import Outcome, Publication, Publisher

# How long nothing must change before publishing: shorter for a single file, longer for several.
QUIET_SECONDS = 1.0
BURST_QUIET_SECONDS = 3.0
# An upload that never pauses is published after this time. Shorter than a claim lasts.
MAX_WAIT_SECONDS = 100.0
_ROUNDS = 3


class Claim(Protocol):
    def take(self) -> bool:
        """Whether this call has claimed the burst."""

    def free(self) -> None: ...


@dataclass(frozen=True)
class BurstPublisher:
    publisher: Publisher
    claim: Claim
    sleep: Callable[[float], None]

    def publish_change(self, by: str = "") -> Publication:
        if not self.claim.take():
            return Publication(Outcome.LEFT)
        for _ in range(_ROUNDS):
            try:
                self._wait_until_quiet()
                publication = self.publisher.publish(by, again=False)
            finally:
                self.claim.free()
            # Calls that came during the claim have ended and rely on this one.
            if publication.outcome is Outcome.HELD or not self._news() or not self.claim.take():
                break
        else:
            self.claim.free()
        return publication

    def _wait_until_quiet(self) -> None:
        before, quiet, waited = self._marks(), QUIET_SECONDS, 0.0
        while waited < MAX_WAIT_SECONDS:
            self.sleep(quiet)
            waited += quiet
            after = self._marks()
            if after == before:
                return
            before, quiet = after, BURST_QUIET_SECONDS

    def _marks(self) -> tuple[str, str]:
        upload = self.publisher.inbox.newest()
        return self.publisher.source.list().mark, upload.mark if upload else ""

    def _news(self) -> bool:
        sight = self.publisher.look()
        if sight.new_upload is not None:
            return True
        return sight.new_folder and self.publisher.releases.refused_folder() != (
            self.publisher.refusal_mark(sight)
        )
