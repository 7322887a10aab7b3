"""RDS: a snapshot is made of an instance, and both have to be allowed."""

from embedded_aws.authorization.requests.request import ApiRequest, Permission

_ON_SNAPSHOTS = (
    "CreateDBSnapshot",
    "DeleteDBSnapshot",
    "DescribeDBSnapshots",
    "RestoreDBInstanceFromDBSnapshot",
)


def needs(request: ApiRequest) -> list[Permission] | None:
    if request.operation not in _ON_SNAPSHOTS:
        return None
    instance = request.parameter("DBInstanceIdentifier").lower()
    snapshot = request.parameter("DBSnapshotIdentifier").lower()
    found = []
    if instance:
        found.append(request.arn("rds", f"db:{instance}"))
    if snapshot:
        found.append(request.arn("rds", f"snapshot:{snapshot}"))
    if not found:
        found.append(request.arn("rds", "db:*"))
    return [Permission(request.action, resource) for resource in found]
