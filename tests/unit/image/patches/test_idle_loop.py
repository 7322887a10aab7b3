"""The dag-processor's loop waits when there is nothing to do, and only then."""

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("processors", "queue", "given", "waits"),
    [
        ({}, {}, 0.0, 1.0),
        ({}, {}, 0.4, 0.4),
        ({"a.py": "process"}, {}, 0.0, 0.0),
        ({}, {"a.py": None}, 0.0, 0.0),
    ],
)
def test_loop_waits_only_when_nothing_is_parsed_or_queued(
    processors: Any, queue: Any, given: float, waits: float
) -> None:
    from airflow_on_fargate.patches.dag_processor import idle_loop

    waited = []

    def wait(self: Any, timeout: float | None) -> None:
        waited.append(timeout)

    manager = SimpleNamespace(_processors=processors, _file_queue=queue)
    idle_loop._waiting(wait)(manager, timeout=given)
    assert waited == [waits]


def test_patch_fits_the_installed_airflow() -> None:
    from airflow_on_fargate import patches

    patches.apply("dag_processor.idle_loop")
