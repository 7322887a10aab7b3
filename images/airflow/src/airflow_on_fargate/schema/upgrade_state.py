"""The notes of a schema change in the state bucket, as this image reads and writes them.

`contracts.upgrade_notes` describes them. Without a note of the heads there is no migration.
"""

from typing import Any, Final

from airflow_on_fargate.contracts.upgrade_notes import (
    QUIESCED_KEY,
    HeadsNote,
    QuiescedNote,
    heads_key,
)
from airflow_on_fargate.schema.alembic_heads import Heads
from airflow_on_fargate.schema.task_identity import TaskIdentity

_EXISTS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_MISSING: Final = frozenset({"NoSuchKey", "404"})


class UpgradeState:
    """The state of the upgrade to one revision of the command's task definition."""

    def __init__(self, s3: Any, bucket: str, identity: TaskIdentity) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = heads_key(f"{identity.family}:{identity.revision}")

    def heads_before(self) -> Heads | None:
        """The recorded heads, or None where no migration began."""
        data = self._read(self._key)
        heads = HeadsNote.from_bytes(data).heads if data else None
        return None if heads is None else dict(heads)

    def record_heads(self, heads: Heads) -> bool:
        """Record the heads, unless an earlier attempt did: it saw the ones before any change.

        Returns False when the upgrade was rolled back before it began.
        """
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=HeadsNote(heads).to_bytes(),
                IfNoneMatch="*",
            )
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in _EXISTS:
                raise
        return self.heads_before() is not None

    def quiesced(self) -> QuiescedNote | None:
        """What is stopped, or None."""
        data = self._read(QUIESCED_KEY)
        return QuiescedNote.from_bytes(data) if data else None

    def remember_quiesced(self, note: QuiescedNote) -> None:
        """Record the counts that the function has to give back."""
        self._s3.put_object(Bucket=self._bucket, Key=QUIESCED_KEY, Body=note.to_bytes())

    def _read(self, key: str) -> bytes | None:
        try:
            data: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return data
