"""A bucket that is not empty is not deleted, and a bucket has the ownership that its template says.

ministack 1.5.33 empties a bucket silently, so a template could pass here and fail on AWS. It leaves
OwnershipControls out, on which depends whether CloudFront may write logs.
"""

from embedded_aws.cloudformation.engine import (
    Properties,
    after_each_deployment,
    handlers_of,
    own_client,
)
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

    handlers.update(delete=delete)
    after_each_deployment("AWS::S3::Bucket", own)
