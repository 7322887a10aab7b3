"""What a task reads about itself from ECS."""

import json
import urllib.request

import pytest

from airflow_on_fargate.schema import task_identity


def test_identity_is_read_from_the_metadata_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __enter__(self) -> "Answer":
            return self

        def __exit__(self, *error: object) -> None:
            return None

        def read(self) -> bytes:
            return json.dumps(
                {"TaskARN": "arn:task/one", "Cluster": "arn:cluster/c",
                 "Family": "my-stack-command", "Revision": "10"}
            ).encode()  # fmt: skip

    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Answer())
    identity = task_identity.read({"ECS_CONTAINER_METADATA_URI_V4": "http://metadata"})
    assert (identity.stack_name, identity.revision) == ("my-stack", "10")


def test_fails_outside_ecs() -> None:
    with pytest.raises(task_identity.NotOnEcsError):
        task_identity.read({})
