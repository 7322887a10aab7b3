"""A parse that runs while a release is switched is ended and repeated."""

from typing import Any

import attrs
import pytest

from airflow_on_fargate import patches
from airflow_on_fargate.patches.dag_processor import overtaken_parses


@pytest.mark.parametrize(
    ("served", "release", "callbacks", "dropped"),
    [
        ("new", None, False, True),
        ("old", None, False, False),
        ("new", "old", False, False),
        ("new", None, True, False),
    ],
    ids=["overtaken", "nothing new", "callback of a release", "callback"],
)
def test_parse_is_repeated_when_the_release_changed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
    served: str,
    release: str | None,
    callbacks: bool,
    dropped: bool,
) -> None:
    from pathlib import Path

    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager

    def refresh(manager: Any, _: Any) -> None:
        manager._bundle_versions["releases"] = served

    monkeypatch.setattr(DagFileProcessorManager, "_refresh_dag_bundles", refresh)
    patches.apply("dag_processor.overtaken_parses")
    manager = DagFileProcessorManager(max_runs=1)
    manager._bundle_versions["releases"] = "old"
    file = DagFileInfo(rel_path=Path("a.py"), bundle_name="releases", bundle_version=release)
    process = _Parse(callbacks)
    manager._processors[file] = process  # type: ignore[assignment]

    manager._refresh_dag_bundles(known_files={})

    assert process.ended == (["kill", "close"] if dropped else [])
    assert (file in manager._processors) is not dropped
    assert (file in manager._file_queue) is dropped


def test_next_release_waits_until_repeated_parses_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pathlib import Path

    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager

    def refresh(manager: Any, _: Any) -> None:
        manager._bundle_versions["releases"] += 1

    monkeypatch.setattr(DagFileProcessorManager, "_refresh_dag_bundles", refresh)
    patches.apply("dag_processor.overtaken_parses")
    manager = DagFileProcessorManager(max_runs=1)
    versions: Any = manager._bundle_versions
    versions["releases"] = 1
    file = DagFileInfo(rel_path=Path("a.py"), bundle_name="releases")
    manager._processors[file] = _Parse(False)  # type: ignore[assignment]

    manager._refresh_dag_bundles(known_files={})
    manager._refresh_dag_bundles(known_files={})
    assert versions["releases"] == 2  # it is in the queue
    del manager._file_queue[file]
    manager._processors[file] = _Parse(False)  # type: ignore[assignment]
    manager._refresh_dag_bundles(known_files={})
    assert versions["releases"] == 2  # it is being parsed
    del manager._processors[file]
    manager._refresh_dag_bundles(known_files={})
    assert versions["releases"] == 3

    manager._processors[file] = _Parse(False)  # type: ignore[assignment]
    manager._refresh_dag_bundles(known_files={})
    assert versions["releases"] == 4  # dropped again, and waited for only so long
    monkeypatch.setattr(overtaken_parses, "LONGEST_WAIT_SECONDS", 0.0)
    manager._refresh_dag_bundles(known_files={})
    assert versions["releases"] == 5


class _Parse:
    """The part of Airflow's parse process that matters here."""

    def __init__(self, had_callbacks: bool) -> None:
        self.had_callbacks = had_callbacks
        self.ended: list[str] = []

    def kill(self, _: int) -> None:
        self.ended.append("kill")

    def close(self) -> None:
        self.ended.append("close")


def test_airflow_has_the_names_that_the_patch_uses() -> None:
    from airflow.dag_processing.processor import DagFileProcessorProcess

    assert "had_callbacks" in {field.name for field in attrs.fields(DagFileProcessorProcess)}
    assert callable(DagFileProcessorProcess.kill)
    assert callable(DagFileProcessorProcess.close)
