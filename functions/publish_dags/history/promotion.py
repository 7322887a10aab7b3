"""Make a kept release current again, and list which releases were current when.

A rollback only moves the pointer. The pointer records the folder and the zip file as they are, so
that they are not published again; their next change is published.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from contracts.release_manifest import ReleaseManifest, ReleasePointer
from publish_dags import release_storage as releasing
from publish_dags.ports import ConcurrentReleaseError, NoSuchReleaseError
from publish_dags.publisher import Publisher

_ATTEMPTS = 5
_PREVIOUS = "previous"
_LOOK_BACK = 50


@dataclass(frozen=True)
class Promoter:
    publisher: Publisher

    def promote(self, release: str, by: str, hold: bool) -> ReleasePointer:
        """NoSuchReleaseError if it is not kept; `previous` is the one that was current before."""
        releases = self.publisher.releases
        for _ in range(_ATTEMPTS):
            sight = self.publisher.look()
            wanted = self._previous(sight.release) if release == _PREVIOUS else release
            retiring = sight.pointer.retiring if sight.pointer else ()
            if wanted in retiring:
                raise NoSuchReleaseError(f"Release {wanted} is no longer kept")
            after = releases.release(wanted).manifest
            pointer = ReleasePointer(
                wanted,
                published_at=self.publisher.now().isoformat(timespec="seconds"),
                by=by,
                reason="promoted",
                hold=hold,
                changes=self._changes(sight.release, after),
                folder=sight.folder.mark,
                upload=sight.upload_mark,
                retiring=retiring,
                origin=self._origin(wanted),
            )
            try:
                releases.point_to(pointer, sight.current.mark if sight.current else None)
            except ConcurrentReleaseError:
                continue
            return pointer
        raise ConcurrentReleaseError(
            f"Another call published during each of {_ATTEMPTS} attempts: try again"
        )

    def resume(self, by: str) -> None:
        """End a hold; changes that were made in the meantime can then be published."""
        current = self.publisher.releases.pointer()
        if current and current.pointer.hold:
            pointer = replace(current.pointer, hold=False, by=by, reason="resumed")
            self.publisher.releases.point_to(pointer, current.mark)

    def history(self, count: int) -> list[dict[str, Any]]:
        """The newest first: which release became current when, why, by whom, and its changes."""
        kept = self._kept()
        entries: list[dict[str, Any]] = []
        for each in self.publisher.releases.pointers(2 * count):
            entry = {
                "release": each.release,
                "at": each.published_at,
                "by": each.by,
                "reason": each.reason,
                "hold": each.hold,
                "changes": dict(each.changes),
                "kept": each.release in kept,
            }
            if each.origin:
                entry["origin"] = dict(each.origin)
            # The pointer is also written to announce a removal: that is not an entry of its own.
            if not entries or entries[-1] != entry:
                entries.append(entry)
            if len(entries) == count:
                break
        return entries

    def _kept(self) -> frozenset[str]:
        releases = self.publisher.releases
        current = releases.pointer()
        return releases.kept().difference(current.pointer.retiring if current else ())

    def _previous(self, current: str | None) -> str:
        for pointer in self.publisher.releases.pointers(_LOOK_BACK):
            if pointer.release != current:
                # It may no longer be kept: that is an error, not a reason to take an older one.
                return pointer.release
        raise NoSuchReleaseError("No release was current before this one")

    def _origin(self, release: str) -> Mapping[str, str]:
        """What was said about a release when it was current last."""
        for pointer in self.publisher.releases.pointers(_LOOK_BACK):
            if pointer.release == release:
                return pointer.origin
        return {}

    def _changes(self, before: str | None, after: ReleaseManifest) -> dict[str, object]:
        try:
            files = self.publisher.releases.release(before).manifest.files if before else {}
        except NoSuchReleaseError:
            files = {}
        return releasing.changes(files, after)
