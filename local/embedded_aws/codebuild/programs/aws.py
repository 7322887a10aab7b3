"""`aws s3 cp s3://BUCKET/KEY FILE` and `aws ecr get-login-password`, as a build calls them."""

import base64
import sys
from typing import Any

import boto3
from botocore.exceptions import ClientError

_UNKNOWN = 252


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code as the AWS CLI has it."""
    words = [word for word in arguments if word not in ("--no-progress", "--quiet")]
    make: Any = boto3.client
    try:
        match words:
            case ["s3", "cp", source, target] if source.startswith("s3://"):
                bucket, _slash, key = source.removeprefix("s3://").partition("/")
                # The AWS CLI also asks for the object's head first.
                make("s3").head_object(Bucket=bucket, Key=key)
                make("s3").download_file(bucket, key, target)
                print(f"download: {source} to ./{target}")
            case ["ecr", "get-login-password"]:
                (found,) = make("ecr").get_authorization_token()["authorizationData"]
                print(base64.b64decode(found["authorizationToken"]).decode().partition(":")[2])
            case _:
                print(f"aws: not known on this machine: {' '.join(arguments)}", file=sys.stderr)
                return _UNKNOWN
    except ClientError as error:
        print(f"fatal error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
