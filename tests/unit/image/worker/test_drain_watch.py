"""The drain watch: a worker drains only when the object says so."""

import io
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_on_fargate.contracts.drain_orders import DrainOrders
from airflow_on_fargate.worker.drain_watch import (
    DrainWatch,
    Identity,
    S3DrainObject,
    own_identity,
)

OWN = "stack-worker:7"
ME = Identity(OWN, "0a1b")


class InMemoryObject:
    """One S3 object that may be missing, change, or fail."""

    def __init__(self, body: str | None) -> None:
        self.body = body
        self.status: int | None = None
        self.conditions: list[str | None] = []

    def get_object(self, *, Bucket: str, Key: str, IfNoneMatch: str | None = None) -> Any:
        assert (Bucket, Key) == ("state", "fleet/drain.json")
        self.conditions.append(IfNoneMatch)
        etag = str(hash(self.body))
        status = self.status or (404 if self.body is None else 304 if IfNoneMatch == etag else 200)
        if status != 200:
            answer = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, "GetObject")  # type: ignore[arg-type]
        assert self.body is not None
        return {"Body": io.BytesIO(self.body.encode()), "ETag": etag}


def watch(stored: InMemoryObject) -> DrainWatch:
    return DrainWatch(ME, S3DrainObject("s3://state/fleet/drain.json", stored).read)


@pytest.mark.parametrize(
    ("current", "drains"),
    [(OWN, False), ("stack-worker:8", True), ("stack-worker:6", True), ("other-worker:7", True)],
)
def test_drains_when_another_task_definition_is_current(current: str, drains: bool) -> None:
    looking = watch(InMemoryObject(json.dumps({"current": current})))
    looking.look()
    assert looking.drain_wanted is drains


@pytest.mark.parametrize(
    ("drain", "drains"),
    [
        ({"default": ["0a1b"]}, True),
        ({"default": [], "heavy": ["ffff", "0a1b"]}, True),
        ({"default": ["ffff"]}, False),
        ({}, False),
    ],
)
def test_drains_when_the_object_names_it(drain: dict[str, list[str]], drains: bool) -> None:
    looking = watch(InMemoryObject(json.dumps({"current": OWN, "drain": drain})))
    looking.look()
    assert looking.drain_wanted is drains


@pytest.mark.parametrize(
    "body", [None, "not JSON", "{}", '{"current": 7}', f'{{"current": "{OWN}", "drain": ["0a1b"]}}']
)
def test_stays_when_the_object_does_not_name_it(body: str | None) -> None:
    looking = watch(InMemoryObject(body))
    looking.look()
    assert not looking.drain_wanted


@pytest.mark.parametrize("status", [403, 500, 503])
def test_stays_when_s3_fails(status: int) -> None:
    stored = InMemoryObject(json.dumps({"current": "stack-worker:8"}))
    stored.status = status
    looking = watch(stored)
    looking.look()
    assert not looking.drain_wanted
    stored.status = None
    looking.look()
    assert looking.drain_wanted


def test_requests_only_changes_after_the_first_read() -> None:
    stored = InMemoryObject(json.dumps({"current": OWN}))
    looking = watch(stored)
    looking.look()
    looking.look()
    assert stored.conditions == [None, str(hash(stored.body))]
    stored.body = json.dumps({"current": "stack-worker:8"})
    looking.look()
    assert looking.drain_wanted


def test_stops_looking_when_it_must_drain() -> None:
    looks: list[int] = []
    found = threading.Event()

    def read() -> DrainOrders | None:
        looks.append(1)
        if len(looks) == 3:
            found.set()
            return DrainOrders("stack-worker:8")
        return None

    looking = DrainWatch(ME, read, look_seconds=0.01)
    looking.start()
    assert found.wait(5)
    for thread in threading.enumerate():
        if thread.name == "drain-watch":
            thread.join(5)
    assert looking.drain_wanted
    assert len(looks) == 3


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WORKER_DRAIN_OBJECT": "s3://state/fleet/drain.json"},
        {"ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9"},
        {
            "WORKER_DRAIN_OBJECT": "s3://state/fleet/drain.json",
            "ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9",
        },
    ],
    ids=["nothing", "no metadata", "no object", "metadata unreachable"],
)
def test_is_disabled_without_the_object_or_metadata(environment: dict[str, str]) -> None:
    assert DrainWatch.from_environment(environment) is None


@pytest.mark.parametrize("url", ["state/fleet/drain.json", "s3://state", "https://state/x"])
def test_refuses_an_address_that_is_not_an_s3_url(url: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/key"):
        S3DrainObject(url, object())


def test_reads_its_own_definition_and_id(
    serve_json: Callable[[dict[str, str]], str],
) -> None:
    address = serve_json(
        {"Family": "stack-worker", "Revision": "7", "TaskARN": "arn:aws:ecs:x:1:task/c/0a1b"}
    )
    assert own_identity(f"{address}/v4/abc") == ME


@pytest.fixture
def serve_json() -> Any:
    servers: list[HTTPServer] = []

    def serve(document: dict[str, str]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/v4/abc/task"
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
