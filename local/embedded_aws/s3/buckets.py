"""A bucket that is not empty is not deleted, and a bucket has the ownership that its template says.

ministack 1.5.33 empties a bucket silently, so a template could pass here and fail on AWS. It leaves
OwnershipControls out, on which depends whether CloudFront may write logs.
"""

from typing import Any

from embedded_aws.cloudformation.engine import Created, Properties, handlers_of, own_client
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    handlers = handlers_of("AWS::S3::Bucket")
    delete_bucket = handlers["delete"]

    def delete(name: str, properties: Properties) -> None:
        s3 = own_client(settings, "s3")
        try:
            found = s3.list_object_versions(Bucket=name, MaxKeys=1)
        except s3.exceptions.NoSuchBucket:
            found = {}
        if found.get("Versions") or found.get("DeleteMarkers"):
            raise ValueError(
                "The bucket you tried to delete is not empty. You must delete all versions in "
                f"the bucket. (Bucket: {name}, Status Code: 409)"
            )
        delete_bucket(name, properties)

    def own(bucket: str, properties: Properties) -> None:
        controls = properties.get("OwnershipControls")
        if controls:
            own_client(settings, "s3").put_bucket_ownership_controls(
                Bucket=bucket, OwnershipControls={"Rules": controls["Rules"]}
            )

    create_bucket, update_bucket = handlers["create"], handlers["update"]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        created: Created = create_bucket(logical_id, properties, stack_name)
        own(created[0], properties)
        return created

    def update(name: str, old: Properties, new: Properties, *more: Any) -> Created:
        updated: Created = update_bucket(name, old, new, *more)
        own(updated[0], new)
        return updated

    handlers.update(create=create, update=update, delete=delete)
