"""Notes about a schema change in the state bucket, for its rollback and for a crash.

- `upgrades/<family>:<revision>.json`: the heads that the database had before the migration to this
  revision's image. The image writes it once, before it changes anything. A rollback that comes
  before the migration writes a note without heads in its place: the migration then does not start.
- `upgrades/quiesced.json`: the services that are at 0 for a moment, their counts, and the task that
  stopped them. The function gives the counts back when that task has ended.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

QUIESCED_KEY: Final = "upgrades/quiesced.json"


def heads_key(family_and_revision: str) -> str:
    """The key of the note about the migration to one revision, `<family>:<revision>`."""
    return f"upgrades/{family_and_revision}.json"


@dataclass(frozen=True, slots=True)
class HeadsNote:
    """The heads of each table of heads; None when the migration was called off."""

    heads: Mapping[str, frozenset[str]] | None

    @property
    def called_off(self) -> bool:
        return self.heads is None

    def to_bytes(self) -> bytes:
        heads = self.heads
        if heads is None:
            return json.dumps({"heads": None}).encode()
        return json.dumps(
            {"heads": {table: sorted(each) for table, each in heads.items()}}
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "HeadsNote":
        """ValueError for bytes that are not such a note."""
        document = _document(data, "note about the schema's heads", "heads")
        heads = document["heads"]
        if heads is None:
            return cls(None)
        return cls({str(table): frozenset(map(str, each)) for table, each in heads.items()})


@dataclass(frozen=True, slots=True)
class QuiescedNote:
    """The task that stopped the services, and how many tasks each service had."""

    owner: str
    counts: Mapping[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return json.dumps({"owner": self.owner, "counts": dict(self.counts)}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "QuiescedNote":
        """ValueError for bytes that are not such a note."""
        document = _document(data, "note about stopped services", "owner", "counts")
        counts = {str(service): int(count) for service, count in document["counts"].items()}
        return cls(str(document["owner"]), counts)


def _document(data: bytes, what: str, *fields: str) -> dict[str, Any]:
    document = json.loads(data)
    if not isinstance(document, dict) or any(field not in document for field in fields):
        raise ValueError(f"The {what} must be a JSON object with {' and '.join(fields)}")
    return document
