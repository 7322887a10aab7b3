"""The dag-processor logs to standard output only, and each line once."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_on_fargate.patches.dag_processor import parse_logs


def log_of(target: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    from airflow.dag_processing.manager import DagFileInfo

    monkeypatch.setenv("AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET", target)
    file = DagFileInfo(rel_path=Path("n" * 249 + ".py"), bundle_name="releases")
    return parse_logs._without_file(lambda *_: "Airflow's")(None, file)


def test_output_of_a_parse_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, handle = log_of("stdout", monkeypatch)
    with handle:
        assert handle.name == os.devnull
    bound = {"dag_file": "n" * 249 + ".py", "bundle_name": "releases"}
    assert bound.items() <= logger._context.items()


def test_file_is_written_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_of("file", monkeypatch) == "Airflow's"


@pytest.mark.parametrize(("to_stdout", "loggers"), [(True, ("own",)), (False, "Airflow's")])
def test_each_line_is_logged_once(to_stdout: bool, loggers: Any) -> None:
    process = SimpleNamespace(subprocess_logs_to_stdout=to_stdout, process_log="own")
    assert parse_logs._only_once(lambda _: "Airflow's")(process) == loggers
