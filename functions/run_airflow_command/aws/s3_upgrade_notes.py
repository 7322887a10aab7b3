"""What the image's schema commands write to the state bucket (contracts.upgrade_notes)."""

from typing import TYPE_CHECKING

from contracts.upgrade_notes import QUIESCED_KEY, HeadsNote, QuiescedNote, heads_key
from run_airflow_command.schema_change.ports import QuiescedServices
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError
from shared.fargate import family_and_revision

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoSuchNoteError(AwsCallError):
    """The note does not exist."""


class ReplacedNoteError(AwsCallError):
    """The note has been replaced since it was read, or already exists."""


# 409: another call is writing it at this moment.
_CONFLICTS = {
    "PreconditionFailed": ReplacedNoteError,
    "ConditionalRequestConflict": ReplacedNoteError,
}


class S3UpgradeNotes:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def call_off(self, task_definition_arn: str) -> bool:
        key = heads_key(family_and_revision(task_definition_arn))
        try:
            with named_errors("call the migration off", _CONFLICTS):
                # At the key of the heads that the migration writes before it begins: a task that
                # starts only now finds the note and exits.
                self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=HeadsNote(None).to_bytes(), IfNoneMatch="*"
                )
        except ReplacedNoteError:
            with named_errors("read the migration's note"):
                found = self._client.get_object(Bucket=self._bucket, Key=key)
                return HeadsNote.from_bytes(found["Body"].read()).called_off
        return True

    def quiesced(self) -> QuiescedServices | None:
        try:
            with named_errors("read which services are stopped", {"NoSuchKey": NoSuchNoteError}):
                found = self._client.get_object(Bucket=self._bucket, Key=QUIESCED_KEY)
                note = QuiescedNote.from_bytes(found["Body"].read())
        except NoSuchNoteError:
            return None
        if not note.counts:
            return None
        return QuiescedServices(note.owner, dict(note.counts), found["ETag"])

    def forget_quiesced(self, noted: QuiescedServices) -> bool:
        try:
            with named_errors("record that the services run again", _CONFLICTS):
                # Overwritten, not deleted, under the condition that it is still what was read.
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=QUIESCED_KEY,
                    Body=QuiescedNote(noted.owner).to_bytes(),
                    IfMatch=noted.version,
                )
        except ReplacedNoteError:
            return False
        return True
