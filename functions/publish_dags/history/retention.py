"""Remove old releases, but never one that a run may still need.

Only Airflow knows which releases runs need; it reports the releases in its database. A release is
removed if it is not one of the newest, if the report does not list it (or only for runs that ended
long ago), and if it had stopped being current well before the report was written, so that no run
can have started with it since. Without a recent report nothing is removed.

The pointer is the lock: it lists the retiring releases before anything is deleted. A promotion that
has not seen the list fails to move the pointer, one that has seen it refuses. So a removal may run
beside publishers and may be killed at any point; the next one removes the rest.
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

# Airflow follows the pointer within seconds, and writes its report just after the database query.
_GRACE = timedelta(minutes=10)

# A publisher that was killed may have stored an archive for a release that was never published.
_PUBLISHING_LASTS = timedelta(hours=1)

# A limit, because the pointer lists the retiring releases and every task reads it.
_AT_ONCE = 100

_BUSY = "Too many releases became current recently to check them all, so all are kept"


@dataclass(frozen=True)
class Retirement:
    """What was removed; or why nothing was removed although some releases are due."""

    releases: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    blocked: str = ""


@dataclass(frozen=True)
class Retention:
    """Keep the newest `count` releases, and those of runs that ended up to `days` days ago."""

    releases: ReleaseStore
    shelf: ReleaseShelf
    count: int
    days: int

    def retire(self) -> Retirement:
        current = self.releases.pointer()
        if current is None or current.pointer.hold:
            # During a hold someone is investigating: nothing is removed.
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
        # A run may have started, after the report, with a release that was current since then.
        lately = self.shelf.current_since(reported.at - _GRACE)
        if lately is None:
            return None
        since = inventory.now - timedelta(days=self.days)
        named = {r for r, ended in reported.releases.items() if ended is None or ended >= since}
        return lately | named | {current.pointer.release}

    def _announce(self, current: CurrentPointer, due: list[str], inventory: Inventory) -> bool:
        """List the due releases in the pointer, unless listed; False if the pointer was moved.

        A listed release stays listed until it is deleted: another call may be deleting it now.
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
        """An archive has the name of the release it was created for; others may share it."""
        unneeded = {
            name
            for name, at in inventory.archives.items()
            if name not in kept and inventory.now - at > _PUBLISHING_LASTS
        }
        # Sorted, so that a removal makes the same requests each time.
        for release in sorted(kept):
            if not unneeded:
                break
            try:
                unneeded.discard(self.shelf.archive_of(release) or "")
            except NoSuchReleaseError:
                # An archive too many is better than a release without its archive.
                return []
        return sorted(unneeded)


def _stale(reported: UseReported | None) -> str:
    when = f"since {reported.at:%FT%TZ}" if reported else "yet"
    return f"Airflow has not reported {when} which releases its runs need, so all are kept"
