"""Keep a file whose parse fails outside of Python's exceptions from ending the dag-processor.

A parse that cannot start (its log file's name has more than 255 bytes) or whose process sends what
Airflow cannot read raises in the dag-processor's loop: the process ends, starts, meets the same
file, and ends again; no other file is parsed. A parse whose process is killed, exits or takes too
long is counted only, and the user never sees why a DAG does not appear.

With this patch each of them becomes an import error of that file. In the parse process, so does
what Airflow does not catch there: `sys.exit` in an archive, KeyboardInterrupt, a result that cannot
be sent.
No upstream report is known. The text of one is docs/upstream/starting-a-parse.md.
"""

import contextlib
import errno
import logging
import os
import selectors
import signal
import socket
import traceback
from typing import Any, Final

from airflow_on_fargate import import_error_rows
from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

# Errors that say nothing about the file. They end the process, as without this patch, and the
# container starts again.
_OF_THE_MACHINE: Final = frozenset(
    {
        errno.EAGAIN,
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EROFS,
    }
)


class _NotStartedError(Exception):
    """A parse could not start, and its import error has been recorded."""


def apply() -> None:
    """Surround the start of a parse, its messages, its end, and what happens in its process."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing import collection, processor
    from airflow.dag_processing.manager import DagFileProcessorManager
    from airflow.dag_processing.processor import DagFileProcessorProcess

    # Used by `import_error_rows`; missing names must be noticed now.
    _ = collection._update_import_errors
    replace(DagFileProcessorManager, "_create_process", _recording_failed_starts)
    replace(DagFileProcessorManager, "_start_new_processes", _continuing)
    replace(DagFileProcessorManager, "_collect_results", _recording_ended_parses)
    replace(DagFileProcessorManager, "_kill_timed_out_processors", _recording_killed_parses)
    replace(DagFileProcessorProcess, "_on_child_started", _ending_the_child)
    replace(DagFileProcessorProcess, "_register_pipe_readers", _with_safe_readers)
    replace(processor, "_parse_file", _reporting_every_failure)


def _recording_failed_starts(original: Any) -> Any:
    def _create_process(self: Any, dag_file: Any) -> Any:
        from airflow._shared.timezones import timezone
        from airflow.dag_processing.manager import DagFileStat

        try:
            return original(self, dag_file)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
                raise
            log.exception("The parse of %r cannot start", str(dag_file.rel_path))
            # A callback of a run that is pinned to a release says nothing about the current one.
            if dag_file.bundle_version is None:
                self._file_stats[dag_file] = DagFileStat(
                    import_errors=1,
                    last_finish_time=timezone.utcnow(),
                    last_duration=0.0,
                    run_count=self._file_stats[dag_file].run_count + 1,
                )
                text = "The parse of this file cannot start.\n" + traceback.format_exc(limit=-1)
                path = str(dag_file.rel_path)
                import_error_rows.record(dag_file.bundle_name, {path: text}, stale=True)
            raise _NotStartedError(dag_file) from error

    return _create_process


def _continuing(original: Any) -> Any:
    def _start_new_processes(self: Any) -> None:
        while True:
            # Each call takes at least one file from the queue.
            try:
                return original(self)  # type: ignore[no-any-return]
            except _NotStartedError:
                continue

    return _start_new_processes


def _recording_ended_parses(original: Any) -> Any:
    def _collect_results(self: Any, *arguments: Any, **named: Any) -> Any:
        running = dict(self._processors)
        result = original(self, *arguments, **named)
        _record_without_result(self, running, _end_of)
        return result

    return _collect_results


def _recording_killed_parses(original: Any) -> Any:
    def _kill_timed_out_processors(self: Any) -> None:
        running = dict(self._processors)
        original(self)
        text = (
            f"ParseTimeoutError: the file was not parsed within {self.processor_timeout:.0f} s "
            "([dag_processor] dag_file_processor_timeout); its process was killed"
        )
        _record_without_result(self, running, lambda _: text)

    return _kill_timed_out_processors


def _record_without_result(manager: Any, before: dict[Any, Any], text: Any) -> None:
    """Record an error for each parse that has ended since and did not return a result."""
    for file, process in before.items():
        ended = manager._processors.get(file) is not process
        if ended and process.parsing_result is None and not process.had_callbacks:
            errors = {str(file.rel_path): text(process)}
            import_error_rows.record(file.bundle_name, errors, stale=False)


def _end_of(process: Any) -> str:
    code = int(process._exit_code or 0)
    if code >= 0:
        return (
            f"ParseExitError: the process that parsed this file exited with code {code} and "
            "without a result. The log of the dag-processor has its output"
        )
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    reason = ", probably because the container had no memory left" if name == "SIGKILL" else ""
    return f"ParseKilledError: the process that parsed this file was ended by {name}{reason}"


def _ending_the_child(original: Any) -> Any:
    def _on_child_started(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            original(self, *arguments, **named)
        except Exception:
            # It waits for its first message.
            self.kill(signal.SIGKILL)
            raise

    return _on_child_started


def _with_safe_readers(original: Any) -> Any:
    def _register_pipe_readers(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        for sock, kind in list(self._open_sockets.items()):
            reader, on_close = self.selector.get_key(sock).data
            data = (_SafeReader(reader, kind), on_close)
            self.selector.modify(sock, selectors.EVENT_READ, data)

    return _register_pipe_readers


class _SafeReader:
    """Reads from a parse process; returns whether there is more, and raises errors of I/O only.

    Without its channel for requests the process ends. Its output is optional: the rest is ignored.
    """

    def __init__(self, reader: Any, kind: str) -> None:
        self._reader = reader
        self._kind = kind

    def __call__(self, sock: Any) -> bool:
        try:
            more: bool = self._reader(sock)
        except OSError:
            raise
        except Exception:
            log.exception("Could not read the %s of a parse process", self._kind)
            self._reader = _discard
            if self._kind != "requests":
                return True
            # To close it is not enough: processes forked meanwhile have this end, too.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            return False
        return more


def _discard(sock: Any) -> bool:
    return bool(sock.recv(65536))


def _reporting_every_failure(original: Any) -> Any:
    def _parse_file(msg: Any, log: Any) -> Any:
        from airflow.sdk.execution_time.comms import _RequestFrame

        try:
            result = original(msg, log)
            if result is not None:
                result.import_errors = import_error_rows.all_storable(result.import_errors or {})
                # As it will be sent: an integer of more than 64 bits cannot.
                _RequestFrame(id=0, body=result.model_dump()).as_bytes()
            return result
        except BaseException:
            # Airflow lets `sys.exit` in an archive and KeyboardInterrupt end the process.
            if msg.callback_requests:
                raise
            log.exception("Failed to parse", file=msg.file)
            return _failed_result(msg)

    return _parse_file


def _failed_result(msg: Any) -> Any:
    from airflow.configuration import conf
    from airflow.dag_processing.processor import DagFileParsingResult

    depth = conf.getint("core", "dagbag_import_error_traceback_depth")
    path = os.path.relpath(msg.file, msg.bundle_path)
    return DagFileParsingResult(
        fileloc=import_error_rows.storable(msg.file),
        serialized_dags=[],
        import_errors=import_error_rows.all_storable({path: traceback.format_exc(limit=-depth)}),
    )
