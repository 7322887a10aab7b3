"""Gather a burst of changes into one release.

`aws s3 sync` of a hundred files is a hundred events. The first claims the burst, waits until the
folder keeps still, and publishes; the others find the claim and leave it at that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from publish_dags.publisher import Outcome, Publication, Publisher

# How long nothing must change before it is published: shortly for a single file, longer once there
# is more than one.
QUIET_SECONDS = 1.0
BURST_QUIET_SECONDS = 3.0
# Somebody who never stops uploading gets a release nevertheless. Shorter than a claim lasts.
MAX_WAIT_SECONDS = 100.0
_ROUNDS = 3


class Claim(Protocol):
    def take(self) -> bool:
        """Whether the burst is ours now."""

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
            # Whoever came while the claim stood has left its change to us.
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
        return sight.new_folder and self.publisher.releases.refused_folder() != sight.folder.mark
