"""What an upgrade leaves in the state bucket, for its rollback and for whoever comes after a crash.

- `upgrades/<family>:<revision>.json`: the heads that the database had before the migration to this
  revision's image. Written once, before anything is changed; no record, no migration.
- `upgrades/quiesced.json`: the services that are at 0 for a moment, their counts, and the task that
  did it. The function `run_airflow_command` gives the counts back when that task has ended.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from airflow_on_fargate.schema.alembic_heads import Heads
from airflow_on_fargate.schema.task_identity import TaskIdentity

QUIESCED_KEY: Final = "upgrades/quiesced.json"
_EXISTS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_MISSING: Final = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True)
class Quiesced:
    """Who stopped which services, and how many tasks each had."""

    owner: str
    counts: dict[str, int] = field(default_factory=dict)


class UpgradeState:
    """The state of the upgrade to one revision of the command's task definition."""

    def __init__(self, s3: Any, bucket: str, identity: TaskIdentity) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = f"upgrades/{identity.family}:{identity.revision}.json"

    def heads_before(self) -> Heads | None:
        """The recorded heads, or None where no migration began."""
        document = self._read(self._key)
        if document is None or document["heads"] is None:
            return None
        return {table: frozenset(heads) for table, heads in document["heads"].items()}

    def record_heads(self, heads: Heads) -> bool:
        """Remember the heads, unless an attempt before this one did: it saw the true ones.

        Returns False when the upgrade was rolled back before it began.
        """
        body = json.dumps({"heads": {table: sorted(found) for table, found in heads.items()}})
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=self._key, Body=body.encode(), IfNoneMatch="*"
            )
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in _EXISTS:
                raise
        return self.heads_before() is not None

    def quiesced(self) -> Quiesced | None:
        """What is stopped, or None."""
        document = self._read(QUIESCED_KEY)
        if document is None:
            return None
        return Quiesced(document["owner"], document["counts"])

    def remember_quiesced(self, quiesced: Quiesced) -> None:
        """Take over the promise that these counts come back."""
        body = json.dumps({"owner": quiesced.owner, "counts": quiesced.counts})
        self._s3.put_object(Bucket=self._bucket, Key=QUIESCED_KEY, Body=body.encode())

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        document: dict[str, Any] = json.loads(body)
        return document
