"""Workloads in the state bucket: the scheduler stores one, and the container gets its address.

A workload is JSON with the token of the task. In the command of RunTask everybody who may call
DescribeTasks could read it. Nobody can list these objects with the role of a worker, and their
names are not guessable, so one task cannot read the workload of another. Reading one removes it;
what nobody reads expires after a day.
"""

import logging
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

# In the state bucket. The templates grant this prefix.
PREFIX: Final = "workloads/"
# The command of the image's entrypoint that runs the workload at an address.
COMMAND: Final = "execute-workload"


class WorkloadAddressError(ValueError):
    """The address is not one of a workload; the text says what is expected."""


def store(client: Any, bucket: str, text: str) -> str:
    """Store a workload; returns its address."""
    key = f"{PREFIX}{secrets.token_urlsafe(32)}.json"
    client.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="application/json")
    return f"s3://{bucket}/{key}"


def take(client: Any, address: str) -> str:
    """The workload at an address that `store` returned, which is then removed."""
    parts = urlsplit(address)
    key = parts.path.lstrip("/")
    if parts.scheme != "s3" or not parts.netloc or not key.startswith(PREFIX):
        raise WorkloadAddressError(
            f"Give the address of a workload, such as s3://<bucket>/{PREFIX}<name>.json, "
            f"not {address!r}"
        )
    place = {"Bucket": parts.netloc, "Key": key}
    body: bytes = client.get_object(**place)["Body"].read()
    try:
        client.delete_object(**place)
    except Exception as error:
        # The task matters more.
        log.warning("The workload %s could not be removed: %s", address, error)
    return body.decode()
