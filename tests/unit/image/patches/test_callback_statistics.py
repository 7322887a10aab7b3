"""Statistics that callbacks leave in the dag-processor are removed."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from airflow_on_fargate import patches


@pytest.mark.parametrize(("release", "kept"), [(None, True), ("20260101T000000Z-0", False)])
def test_only_statistics_of_callbacks_are_removed(
    monkeypatch: pytest.MonkeyPatch, release: str | None, kept: bool
) -> None:
    from airflow.dag_processing.manager import DagFileProcessorManager

    def as_in_airflow(self: Any, file: Any, _proc: object, *, session: object = None) -> None:
        self._file_stats[file] = "statistics"

    monkeypatch.setattr(DagFileProcessorManager, "handle_parsing_result", as_in_airflow)
    patches.apply("dag_processor.callback_statistics")
    file = SimpleNamespace(bundle_version=release)
    manager = SimpleNamespace(_file_stats=defaultdict(str))
    key = _Hashable(file.bundle_version)
    DagFileProcessorManager.handle_parsing_result(manager, key, object())  # type: ignore[arg-type]
    assert (key in manager._file_stats) is kept


class _Hashable:
    """The part of Airflow's DagFileInfo that matters here."""

    def __init__(self, bundle_version: str | None) -> None:
        self.bundle_version = bundle_version


def test_airflow_has_the_names_that_the_patch_uses() -> None:
    from pathlib import Path

    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager

    file = DagFileInfo(rel_path=Path("a.py"), bundle_name="releases", bundle_path=Path("/dags"))
    assert file.bundle_version is None
    assert "_file_stats" in {field.name for field in attrs.fields(DagFileProcessorManager)}
