"""S3: the key of an encrypted bucket, and "forbidden" instead of "not found".

Who may read but not list learns nothing about the keys that exist: S3 answers 403 instead of 404,
and names `s3:ListBucket`. ministack 1.5.33 answers 404 to everybody. The key of the bucket stands
for the key with which each object was encrypted.
"""

from ministack.services import s3

from embedded_aws.authorization.requests import keys
from embedded_aws.authorization.requests.request import ApiRequest, Permission

_READ = ("GetObject", "GetObjectVersion")
_WRITE = ("PutObject",)


def needs(request: ApiRequest) -> list[Permission] | None:
    if request.operation not in _READ + _WRITE:
        return None
    _prefix, _colons, name = request.stock_resource.partition(":::")
    bucket, _slash, key = name.partition("/")
    if request.path.startswith(f"/{bucket}/"):
        key = request.path.removeprefix(f"/{bucket}/")  # ministack's resource drops empty parts
    found = [Permission(request.action, request.stock_resource)]
    kms_key = keys.key_of_bucket(bucket)
    if request.operation in _WRITE:
        return found + keys.permissions(kms_key, "s3", keys.GENERATE)
    if bucket in s3._buckets and key and key not in s3._buckets[bucket].get("objects", {}):
        found.append(Permission("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
        return found
    return found + keys.permissions(kms_key, "s3", keys.DECRYPT)
