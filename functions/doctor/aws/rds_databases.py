"""The database instance in RDS."""

from datetime import datetime
from typing import Any

from doctor.ports import DatabaseState
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError


class NoSuchInstanceError(AwsCallError):
    """There is no such instance."""


class RdsDatabases:
    def __init__(self, client: Any, instance_id: str) -> None:
        self._client = client
        self._instance_id = instance_id

    def instance(self) -> DatabaseState | None:
        missing = {
            "DBInstanceNotFound": NoSuchInstanceError,
            "DBInstanceNotFoundFault": NoSuchInstanceError,
        }
        try:
            with named_errors("describe the database", missing):
                answer = self._client.describe_db_instances(DBInstanceIdentifier=self._instance_id)
        except NoSuchInstanceError:
            return None
        found = answer["DBInstances"][0]
        until: datetime | None = found.get("CertificateDetails", {}).get("ValidTill")
        return DatabaseState(
            status=found["DBInstanceStatus"],
            certificate_until=until,
            backup_days=found.get("BackupRetentionPeriod", 0),
        )
