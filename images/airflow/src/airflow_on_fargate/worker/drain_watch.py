"""Whether this worker must drain: it reads the drain object (`contracts.drain_orders`).

A worker of another revision than the current one drains, and one whose task is named. The object is
read in a separate thread with a conditional request, so that a slow or unavailable S3 never blocks
the worker's event loop.
"""

import json
import logging
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from airflow_on_fargate.contracts.drain_orders import DrainOrders

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 15.0
METADATA_TIMEOUT_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Identity:
    """This task: its definition as family:revision, its id."""

    task_definition: str
    task_id: str


class DrainWatch:
    """Reads the drain object regularly; `drain_wanted` is the result so far."""

    def __init__(
        self,
        own: Identity,
        read: Callable[[], DrainOrders | None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`read` returns the orders, or None if they are unknown or unchanged."""
        self.drain_wanted = False
        self._own = own
        self._read = read
        self._look_seconds = look_seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "DrainWatch | None":
        """None, with a line in the log, where this task cannot find out whether it is current."""
        url = environment.get("WORKER_DRAIN_OBJECT")
        metadata_uri = environment.get("ECS_CONTAINER_METADATA_URI_V4")
        if not url or not metadata_uri:
            log.info("No drain watch: WORKER_DRAIN_OBJECT or the ECS metadata address is not set")
            return None
        try:
            own = own_identity(metadata_uri)
        except (OSError, ValueError, KeyError) as error:
            log.warning("No drain watch: the ECS metadata could not be read: %s", error)
            return None
        return cls(own, S3DrainObject(url).read)

    def start(self) -> None:
        """Look every few seconds until this worker must drain."""
        threading.Thread(target=self._run, daemon=True, name="drain-watch").start()

    def _run(self) -> None:
        pause = threading.Event()
        while not self.drain_wanted:
            self.look()
            pause.wait(self._look_seconds)

    def look(self) -> None:
        """Look once. An error changes nothing: staying is better than exiting by mistake."""
        try:
            orders = self._read()
        except Exception as error:
            log.warning("The drain object could not be read: %s", error)
            return
        if orders is None:
            return
        if orders.current != self._own.task_definition:
            log.info(
                "Draining: %s is current, this worker is %s",
                orders.current,
                self._own.task_definition,
            )
            self.drain_wanted = True
        elif self._own.task_id in orders.named:
            log.info("Draining: the drain object names this worker")
            self.drain_wanted = True


class S3DrainObject:
    """The object itself, read only when it has changed."""

    def __init__(self, url: str, client: Any = None) -> None:
        """`url` is s3://bucket/key."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
            raise ValueError(f"WORKER_DRAIN_OBJECT must look like s3://bucket/key, not {url!r}")
        self._bucket, self._key = parts.netloc, parts.path.lstrip("/")
        self._client = client or self._new_client()
        self._etag: str | None = None

    @staticmethod
    def _new_client() -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2}),
        )

    def read(self) -> DrainOrders | None:
        """None if it is unchanged or does not exist yet."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": self._etag} if self._etag else {}
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key, **condition)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status in (304, 404):
                return None
            raise
        orders = DrainOrders.from_bytes(answer["Body"].read())
        self._etag = answer["ETag"]
        return orders


def own_identity(metadata_uri: str) -> Identity:
    """The identity of this task, from the ECS metadata endpoint."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{metadata_uri}/task", timeout=METADATA_TIMEOUT_SECONDS) as response:
        task = json.load(response)
    return Identity(f"{task['Family']}:{task['Revision']}", str(task["TaskARN"]).rpartition("/")[2])
