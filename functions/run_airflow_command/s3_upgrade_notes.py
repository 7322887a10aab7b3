"""What the image's schema commands leave in the state bucket (airflow_on_fargate.upgrade_state)."""

import json
from typing import TYPE_CHECKING

from run_airflow_command.upgrade import QuiescedServices
from shared.errors import AwsCallError, named_errors
from shared.fargate import family_and_revision

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_QUIESCED_KEY = "upgrades/quiesced.json"


class NoSuchNoteError(AwsCallError):
    """There is no such object."""


class ReplacedNoteError(AwsCallError):
    """The note is not the one that was read."""


class S3UpgradeNotes:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def has_migrated(self, task_definition_arn: str) -> bool:
        key = f"upgrades/{family_and_revision(task_definition_arn)}.json"
        try:
            with named_errors("look for the migration's record", {"404": NoSuchNoteError}):
                self._client.head_object(Bucket=self._bucket, Key=key)
        except NoSuchNoteError:
            return False
        return True

    def quiesced(self) -> QuiescedServices | None:
        try:
            with named_errors("read which services are stopped", {"NoSuchKey": NoSuchNoteError}):
                found = self._client.get_object(Bucket=self._bucket, Key=_QUIESCED_KEY)
                document = json.loads(found["Body"].read())
        except NoSuchNoteError:
            return None
        if not document["counts"]:
            return None
        return QuiescedServices(document["owner"], document["counts"], found["ETag"])

    def forget_quiesced(self, noted: QuiescedServices) -> bool:
        replaced = {
            "PreconditionFailed": ReplacedNoteError,
            "ConditionalRequestConflict": ReplacedNoteError,
        }
        try:
            with named_errors("note that the services run again", replaced):
                # Overwritten, not deleted: a delete cannot be made to depend on what was read.
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=_QUIESCED_KEY,
                    Body=json.dumps({"owner": noted.owner, "counts": {}}).encode(),
                    IfMatch=noted.version,
                )
        except ReplacedNoteError:
            return False
        return True
