"""What each component starts with besides Airflow."""

import sys

import pytest

from airflow_on_fargate import component, patches


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dag-processor", ["dag-processor"]),
        ("api-server", ["api-server"]),
        ("triggerer", ["triggerer"]),
        ("worker", ["celery", "worker"]),
    ],
)
def test_component_is_patched_before_airflow_starts(
    monkeypatch: pytest.MonkeyPatch, name: str, words: list[str]
) -> None:
    done: list[str] = []
    monkeypatch.setattr(patches, "apply", done.append)
    mirrored: list[str] = []
    monkeypatch.setattr(component.heartbeat, "mirror_job_heartbeats", mirrored.append)
    monkeypatch.setattr("airflow.__main__.main", lambda: done.append("airflow"))
    monkeypatch.setattr(sys, "argv", ["component", *words])

    component.main()

    assert done == [*patches.BY_COMPONENT.get(name, ()), "airflow"]
    # The API server has an HTTP health check, and the worker a timer in its own loop.
    assert mirrored == ([] if name in ("api-server", "worker") else [name])
