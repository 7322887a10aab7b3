"""A parse that cannot start, or ends without a result, becomes an import error of its file."""

import errno
import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from airflow_on_fargate import import_error_rows
from airflow_on_fargate.patches.dag_processor import parse_failures
from airflow_on_fargate.releases.watch import failure

Records = list[tuple[str, str, bool]]


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    """Path, error and `stale` of each record."""
    made: Records = []

    def record(bundle_name: str, errors: dict[str, str], *, stale: bool) -> None:
        assert bundle_name == "releases"
        made.extend((path, error, stale) for path, error in errors.items())

    monkeypatch.setattr(import_error_rows, "record", record)
    return made


def file(release: str | None = None) -> Any:
    from airflow.dag_processing.manager import DagFileInfo

    return DagFileInfo(rel_path=Path("a.py"), bundle_name="releases", bundle_version=release)


def manager() -> Any:
    from airflow.dag_processing.manager import DagFileProcessorManager

    return DagFileProcessorManager(max_runs=1)


def process(code: int, *, result: object = None, callbacks: bool = False) -> Any:
    return SimpleNamespace(_exit_code=code, parsing_result=result, had_callbacks=callbacks)


def failing_start(number: int) -> Any:
    def _create_process(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return parse_failures._recording_failed_starts(_create_process)


def test_start_that_fails_is_recorded_and_not_repeated_at_once(records: Records) -> None:
    parses = manager()
    with pytest.raises(parse_failures._NotStartedError):
        failing_start(errno.ENAMETOOLONG)(parses, file())
    [(path, error, stale)] = records
    assert (path, stale) == ("a.py", True)
    assert failure(path, error).message == "[Errno 36] File name too long"
    assert parses._file_stats[file()].last_finish_time
    assert parses._file_stats[file()].run_count == 1


def test_start_that_fails_for_lack_of_resources_ends_the_process(records: Records) -> None:
    with pytest.raises(OSError, match="No space left"):
        failing_start(errno.ENOSPC)(manager(), file())
    assert records == []


def test_callback_of_a_release_is_not_an_error_of_the_current_one(records: Records) -> None:
    with pytest.raises(parse_failures._NotStartedError):
        failing_start(errno.ENAMETOOLONG)(manager(), file("20260101T000000Z-0"))
    assert records == []


def test_next_file_is_started_when_one_cannot() -> None:
    started: list[int] = []

    def _start_new_processes(queue: list[int]) -> None:
        while queue:
            if (number := queue.pop()) % 2:
                raise parse_failures._NotStartedError(number)
            started.append(number)

    parse_failures._continuing(_start_new_processes)([1, 2, 3, 4, 5])
    assert started == [4, 2]


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (0, "ParseExitError", "exited with code 0 and without a result"),
        (-signal.SIGKILL, "ParseKilledError", "by SIGKILL, probably because the container had no"),
        (-signal.SIGSEGV, "ParseKilledError", "ended by SIGSEGV"),
        (-200, "ParseKilledError", "ended by signal 200"),
    ],
)
def test_end_of_a_process_is_explained(records: Records, code: int, error: str, words: str) -> None:
    parses = manager()
    parses._processors[file()] = process(code)
    parse_failures._recording_ended_parses(lambda self: self._processors.clear())(parses)
    [(path, text, stale)] = records
    assert (path, stale) == ("a.py", False)
    assert failure(path, text).error == error
    assert words in failure(path, text).message


@pytest.mark.parametrize(
    "ended", [process(0, result="result"), process(1, callbacks=True)], ids=["result", "callback"]
)
def test_only_a_parse_without_result_is_an_error(records: Records, ended: Any) -> None:
    parses = manager()
    parses._processors[file()] = ended
    parse_failures._recording_ended_parses(lambda self: self._processors.clear())(parses)
    assert records == []


def test_parse_that_goes_on_is_not_an_error(records: Records) -> None:
    parses = manager()
    parses._processors[file()] = process(0)
    parse_failures._recording_killed_parses(lambda _: None)(parses)
    assert records == []
    parse_failures._recording_killed_parses(lambda self: self._processors.clear())(parses)
    [(_, text, _)] = records
    assert text.startswith("ParseTimeoutError: the file was not parsed within 50 s")


@pytest.mark.parametrize(("kind", "more"), [("logs", True), ("requests", False)])
def test_output_that_cannot_be_read_is_ignored(kind: str, more: bool) -> None:
    ours, theirs = socket.socketpair()

    def reader(sock: socket.socket) -> bool:
        raise KeyError(sock.recv(1))

    with ours, theirs:
        safe = parse_failures._SafeReader(reader, kind)
        theirs.sendall(b"some output")
        assert safe(ours) is more
        if more:
            assert safe(ours)
            theirs.close()
            assert not safe(ours)


def test_process_learns_that_its_requests_are_no_longer_read() -> None:
    """Processes forked meanwhile have a copy of the manager's end, so closing it ends nothing."""
    ours, theirs = socket.socketpair()

    def reader(sock: socket.socket) -> bool:
        raise KeyError(sock.recv(1))

    with ours, theirs, ours.dup():
        theirs.sendall(b"?")
        assert not parse_failures._SafeReader(reader, "requests")(ours)
        ours.close()
        theirs.settimeout(30)
        assert theirs.recv(1) == b""


def test_errors_of_a_socket_are_left_to_airflow() -> None:
    def reader(_: object) -> bool:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        parse_failures._SafeReader(reader, "requests")(None)


def test_child_is_ended_when_it_gets_no_message() -> None:
    signals: list[int] = []

    def fails(*_: object) -> None:
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    child = SimpleNamespace(kill=signals.append)
    with pytest.raises(UnicodeEncodeError):
        parse_failures._ending_the_child(fails)(child)
    assert signals == [signal.SIGKILL]


def parsed(original: Any, callbacks: tuple[object, ...] = ()) -> Any:
    request = SimpleNamespace(
        file="/dags/sub/a.py", bundle_path=Path("/dags"), callback_requests=callbacks
    )
    log = SimpleNamespace(exception=lambda *_, **__: None)
    return parse_failures._reporting_every_failure(original)(request, log)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_exit_in_the_parse_process_is_an_import_error(kind: type[BaseException]) -> None:
    def exits(*_: object) -> None:
        raise kind("bye")

    result = parsed(exits)
    assert result.serialized_dags == []
    assert list(result.import_errors) == ["sub/a.py"]
    assert result.import_errors["sub/a.py"].endswith(f"{kind.__name__}: bye\n")
    with pytest.raises(kind):
        parsed(exits, callbacks=("a callback",))


def test_result_that_cannot_be_sent_is_an_import_error() -> None:
    from airflow.dag_processing.processor import DagFileParsingResult

    def result(warnings: list[object]) -> Any:
        made = DagFileParsingResult(
            fileloc="a.py",
            serialized_dags=[],
            warnings=warnings,
            import_errors={"a.py": "\ud800\0"},
        )
        return parsed(lambda *_: made)

    assert result([1]).import_errors == {"a.py": "\\ud800\\x00"}
    assert "OverflowError" in result([2**70]).import_errors["sub/a.py"]


def test_airflow_has_the_names_that_the_patch_uses() -> None:
    from airflow.dag_processing.processor import DagFileProcessorProcess

    fields = {field.name for field in attrs.fields(DagFileProcessorProcess)}
    used = {"parsing_result", "had_callbacks", "_exit_code", "_open_sockets", "selector"}
    assert used <= fields
