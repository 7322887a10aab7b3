"""Take away old releases, and never one that a run may still need.

What runs need only Airflow knows: its report names the releases in its database. A release goes if
it is none of the newest, is not named there (or only by runs that ended long ago), and had stopped
being current well before the report was written, so that no run can have taken it since. Without a
report that recent nothing goes.

The pointer is the lock: it names what is retiring before anything is deleted. A promotion that has
not seen it fails to move the pointer, one that has seen it refuses. So this may run beside
publishers and be killed anywhere; what it left the next run removes.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from publish_dags.ports import (
    ConcurrentReleaseError,
    CurrentPointer,
    Inventory,
    NoSuchReleaseError,
    ReleaseShelf,
    ReleaseStore,
    UseReported,
)

# Airflow reports every five minutes.
_REPORT_LASTS = timedelta(minutes=30)

# Airflow follows the pointer within seconds, and reports a moment after it has asked its database.
_GRACE = timedelta(minutes=10)

# A publisher that was killed may have stored an archive for a release that never came.
_PUBLISHING_LASTS = timedelta(hours=1)

# The pointer names what is retiring, and is read by every task.
_AT_ONCE = 100

_BUSY = "More releases became current lately than can be looked at, so all are kept"


@dataclass(frozen=True)
class Retirement:
    """What was taken away, and why nothing was although something is due."""

    releases: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    blocked: str = ""


@dataclass(frozen=True)
class Retention:
    """Of releases the newest `count` are kept, and those of runs that ended `days` ago or later."""

    releases: ReleaseStore
    shelf: ReleaseShelf
    count: int
    days: int

    def retire(self) -> Retirement:
        current = self.releases.pointer()
        if current is None or current.pointer.hold:
            # Whoever holds is looking for something: nothing goes meanwhile.
            return Retirement()
        inventory = self.shelf.inventory()
        newest_first = sorted(inventory.releases, key=lambda r: (inventory.releases[r], r))[::-1]
        old = newest_first[self.count :]
        due: list[str] = []
        if old:
            reported = self.shelf.in_use()
            if reported is None or inventory.now - reported.at > _REPORT_LASTS:
                return Retirement(blocked=_stale(reported))
            needed = self._needed(current, reported, inventory)
            if needed is None:
                return Retirement(blocked=_BUSY)
            due = sorted(release for release in old if release not in needed)[:_AT_ONCE]
            if due and not self._announce(current, due, inventory):
                return Retirement()
        for release in due:
            self.shelf.remove_release(release)
        archives = self._unneeded_archives(inventory, inventory.releases.keys() - set(due))
        for name in archives:
            self.shelf.remove_archive(name)
        return Retirement(tuple(due), tuple(archives))

    def _needed(
        self, current: CurrentPointer, reported: UseReported, inventory: Inventory
    ) -> frozenset[str] | None:
        # Whatever was current since shortly before the report may have been taken after it.
        lately = self.shelf.current_since(reported.at - _GRACE)
        if lately is None:
            return None
        since = inventory.now - timedelta(days=self.days)
        named = {r for r, ended in reported.releases.items() if ended is None or ended >= since}
        return lately | named | {current.pointer.release}

    def _announce(self, current: CurrentPointer, due: list[str], inventory: Inventory) -> bool:
        """Say in the pointer what goes, unless it says so; False if somebody else moved it.

        What was once said stands until it is gone: another run of this may be deleting it just now.
        """
        said = {each for each in current.pointer.retiring if each in inventory.releases}
        if said.issuperset(due):
            return True
        pointer = replace(current.pointer, retiring=tuple(sorted(said.union(due))))
        try:
            self.releases.point_to(pointer, current.mark)
        except ConcurrentReleaseError:
            return False
        return True

    def _unneeded_archives(self, inventory: Inventory, kept: set[str]) -> list[str]:
        """An archive is named as the release that it was made for; others may share it."""
        unneeded = {
            name
            for name, at in inventory.archives.items()
            if name not in kept and inventory.now - at > _PUBLISHING_LASTS
        }
        for release in kept:
            if not unneeded:
                break
            try:
                unneeded.discard(self.shelf.archive_of(release) or "")
            except NoSuchReleaseError:
                # Better an archive too many than a release that lacks its own.
                return []
        return sorted(unneeded)


def _stale(reported: UseReported | None) -> str:
    when = f"since {reported.at:%FT%TZ}" if reported else "yet"
    return f"Airflow has not reported {when} which releases its runs need, so all are kept"
