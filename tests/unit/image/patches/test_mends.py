"""The repairs of kombu and Airflow: what they reach into is still there, and they repair it."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from airflow_on_fargate.patches import airflow_mends, kombu_mends


@pytest.fixture
def kombu(monkeypatch: pytest.MonkeyPatch) -> Any:
    from kombu.asynchronous.aws.connection import AsyncHTTPSConnection
    from kombu.transport.SQS import Channel

    monkeypatch.setattr(Channel, "_on_messages_ready", Channel._on_messages_ready)
    monkeypatch.setattr(AsyncHTTPSConnection, "getrequest", AsyncHTTPSConnection.getrequest)
    return SimpleNamespace(Channel=Channel, Connection=AsyncHTTPSConnection)


@pytest.mark.parametrize("failed", [[], None])
def test_a_failed_poll_counts_as_empty_when_kombu_is_mended(kombu: Any, failed: Any) -> None:
    with pytest.raises(AttributeError):
        kombu.Channel._on_messages_ready(object(), "url", "default", failed)
    kombu_mends.apply()
    assert kombu.Channel._on_messages_ready(object(), "url", "default", failed) == 0


def test_requests_get_a_time_limit_when_kombu_is_mended(kombu: Any) -> None:
    import pycurl

    kombu_mends.apply()
    connection = kombu.Connection(http_client=object())
    connection.request("GET", "http://127.0.0.1/")
    options: dict[int, int] = {}
    connection.getrequest().on_prepare(SimpleNamespace(setopt=options.__setitem__))
    assert options[pycurl.TIMEOUT] > 20  # the longest long poll that SQS allows
    assert options[pycurl.CONNECTTIMEOUT] < options[pycurl.TIMEOUT]


def test_mending_twice_changes_nothing_when_kombu_is_mended_already(kombu: Any) -> None:
    kombu_mends.apply()
    once = (kombu.Channel._on_messages_ready, kombu.Connection.getrequest)
    kombu_mends.apply()
    assert (kombu.Channel._on_messages_ready, kombu.Connection.getrequest) == once


@pytest.mark.parametrize(("release", "kept"), [(None, True), ("20260101T000000Z-0", False)])
def test_statistics_of_callbacks_are_forgotten_when_airflow_is_mended(
    monkeypatch: pytest.MonkeyPatch, release: str | None, kept: bool
) -> None:
    from airflow.dag_processing.manager import DagFileProcessorManager

    def as_in_airflow(self: Any, file: Any, _proc: object, *, session: object = None) -> None:
        self._file_stats[file] = "statistics"

    monkeypatch.setattr(DagFileProcessorManager, "handle_parsing_result", as_in_airflow)
    airflow_mends.forget_statistics_of_callbacks()
    file = SimpleNamespace(bundle_version=release)
    manager = SimpleNamespace(_file_stats=defaultdict(str))
    key = _Hashable(file.bundle_version)
    DagFileProcessorManager.handle_parsing_result(manager, key, object())  # type: ignore[arg-type]
    assert (key in manager._file_stats) is kept


class _Hashable:
    """Like Airflow's DagFileInfo, as far as it matters here."""

    def __init__(self, bundle_version: str | None) -> None:
        self.bundle_version = bundle_version


def test_what_the_mend_reaches_into_is_there_when_airflow_describes_a_file() -> None:
    from pathlib import Path

    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager

    file = DagFileInfo(rel_path=Path("a.py"), bundle_name="releases", bundle_path=Path("/dags"))
    assert file.bundle_version is None
    assert "_file_stats" in {field.name for field in attrs.fields(DagFileProcessorManager)}


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
def test_parse_begins_anew_when_a_release_overtook_it(
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
    airflow_mends.drop_parses_that_a_release_overtook()
    manager = DagFileProcessorManager(max_runs=1)
    manager._bundle_versions["releases"] = "old"
    file = DagFileInfo(rel_path=Path("a.py"), bundle_name="releases", bundle_version=release)
    process = _Parse(callbacks)
    manager._processors[file] = process  # type: ignore[assignment]

    manager._refresh_dag_bundles(known_files={})

    assert process.ended == (["kill", "close"] if dropped else [])
    assert (file in manager._processors) is not dropped
    assert (file in manager._file_queue) is dropped


def test_next_release_waits_when_a_file_was_dropped_and_is_not_parsed_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pathlib import Path

    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager

    def refresh(manager: Any, _: Any) -> None:
        manager._bundle_versions["releases"] += 1

    monkeypatch.setattr(DagFileProcessorManager, "_refresh_dag_bundles", refresh)
    airflow_mends.drop_parses_that_a_release_overtook()
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
    assert versions["releases"] == 4  # dropped again, and not waited for without end
    monkeypatch.setattr(airflow_mends, "LONGEST_WAIT_SECONDS", 0.0)
    manager._refresh_dag_bundles(known_files={})
    assert versions["releases"] == 5


class _Parse:
    """Like Airflow's process that parses a file, as far as it matters here."""

    def __init__(self, had_callbacks: bool) -> None:
        self.had_callbacks = had_callbacks
        self.ended: list[str] = []

    def kill(self, _: int) -> None:
        self.ended.append("kill")

    def close(self) -> None:
        self.ended.append("close")


def test_what_is_dropped_is_made_of_what_airflow_has() -> None:
    from airflow.dag_processing.processor import DagFileProcessorProcess

    assert "had_callbacks" in {field.name for field in attrs.fields(DagFileProcessorProcess)}
    assert callable(DagFileProcessorProcess.kill)
    assert callable(DagFileProcessorProcess.close)


@pytest.mark.parametrize(("accepted", "left"), [(True, ["attempt=2.log"]), (False, None)])
def test_log_of_the_next_try_stays_when_the_one_before_was_uploaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, accepted: bool, left: list[str] | None
) -> None:
    from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO

    uploaded: list[tuple[str, str]] = []

    def write(_: Any, log: str, location: str) -> bool:
        uploaded.append((log, location))
        return accepted

    monkeypatch.setattr(S3RemoteLogIO, "upload", S3RemoteLogIO.upload)
    monkeypatch.setattr(S3RemoteLogIO, "write", write)
    airflow_mends.keep_the_logs_of_other_tries()
    for name in ("attempt=1.log", "attempt=2.log"):
        (tmp_path / "task").mkdir(exist_ok=True)
        (tmp_path / "task" / name).write_text(name)
    logs = S3RemoteLogIO("s3://bucket/logs", tmp_path, delete_local_copy=True)

    logs.upload("task/attempt=1.log")

    assert uploaded == [("attempt=1.log", "s3://bucket/logs/task/attempt=1.log")]
    names = sorted(path.name for path in (tmp_path / "task").iterdir())
    assert names == (left or ["attempt=1.log", "attempt=2.log"])
