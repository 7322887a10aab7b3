"""Old releases in S3: list them, find out which are needed, remove the others.

The bucket is versioned, so a deletion keeps the object's last version: an operator can restore it
for thirty days.
"""

import re
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from contracts.release_manifest import ReleaseFormatError, archive_key, manifest_key
from contracts.release_reports import InUseReport, exclusions_key, import_errors_key, in_use_key
from publish_dags.aws.s3_release_store import NoSuchObjectError, S3ReleaseStore
from publish_dags.ports import Inventory, NoSuchReleaseError, UseReported
from shared.aws.named_errors import named_errors

# A manifest begins with its name and the archive that it needs.
_HEAD_BYTES = 2048
_ARCHIVE = re.compile(rb'^\{"schema":1,"release":"[^"]+","archive":(?:null|\{"name":"([^"]+)")')

_MAX_VERSIONS = 200
_MAX_READ = 50


class S3ReleaseShelf(S3ReleaseStore):
    def inventory(self) -> Inventory:
        return Inventory(
            releases=self._stored(f"{self._prefix}2"),
            archives=self._stored(f"{self._prefix}archives/"),
            now=self._now(),
        )

    def in_use(self) -> UseReported | None:
        try:
            with named_errors("read what is in use", {"NoSuchKey": NoSuchObjectError}):
                found = self._client.get_object(Bucket=self._bucket, Key=in_use_key(self._prefix))
                body = found["Body"].read()
            return UseReported(found["LastModified"], InUseReport.from_bytes(body).releases)
        except (NoSuchObjectError, ReleaseFormatError):
            return None

    def current_since(self, moment: datetime) -> frozenset[str] | None:
        current = set()
        for number, version in enumerate(self._versions(_MAX_VERSIONS)):
            if number == _MAX_READ:
                return None
            current.add(self._pointer_version(version).release)
            if version["LastModified"] <= moment:
                # It was already current at that moment.
                break
        return frozenset(current)

    def archive_of(self, release: str) -> str | None:
        key = manifest_key(self._prefix, release)
        try:
            with named_errors(f"read {key}", {"NoSuchKey": NoSuchObjectError}):
                answer = self._client.get_object(
                    Bucket=self._bucket, Key=key, Range=f"bytes=0-{_HEAD_BYTES - 1}"
                )
                head = zlib.decompressobj(wbits=31).decompress(answer["Body"].read())
        except (NoSuchObjectError, zlib.error) as error:
            raise NoSuchReleaseError(f"Release {release} cannot be read: {error}") from error
        found = _ARCHIVE.match(head)
        if not found:
            raise NoSuchReleaseError(f"Release {release} does not name the archive it needs")
        return found[1].decode() if found[1] else None

    def remove_release(self, release: str) -> None:
        # Its reports first: a removal that is cut off then leaves a release, which is found again.
        for key in (
            import_errors_key(self._prefix, release),
            exclusions_key(self._prefix, release),
            manifest_key(self._prefix, release),
        ):
            self._remove(key)

    def remove_archive(self, name: str) -> None:
        self._remove(archive_key(self._prefix, name))

    def _remove(self, key: str) -> None:
        with named_errors(f"remove {key}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _now(self) -> datetime:
        """S3's time, as all times here, so the function's clock does not matter."""
        with named_errors("read the time"):
            answer = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=in_use_key(self._prefix), MaxKeys=1
            )
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return parsedate_to_datetime(date).astimezone(UTC)
