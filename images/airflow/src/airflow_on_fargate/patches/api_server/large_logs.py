"""Keep a large task log from exhausting the API server.

Airflow loads a log from S3 as one text, copies it twice, parses it to the end, and for JSON holds
every line as an object. A log of 100 MB takes some 1.4 GiB and more than a minute, while the load
balancer and the browser wait. While the task runs, each refresh of the UI does the same again.

With this patch an answer contains the beginning and the end of a large log, with a line between
them that says what is missing (`api_server.task_logs`). Only what is shown is requested. With
`full_content=true` and `Accept: application/x-ndjson` the whole log is streamed: the first lines
leave when they are read. A continuation token contains positions in bytes.
No upstream report is known. The text of one is docs/upstream/large-task-logs.md.
"""

import heapq
import io
from collections.abc import Iterator
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

_SINCE: Final = "log_bytes"
_STREAMS: Final = "ndjson"


def apply() -> None:
    """Read logs through `api_server.task_logs`."""
    require("apache-airflow", "3.3.2", "3.2.2")
    require("apache-airflow-providers-amazon", "9.39.0")
    from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO
    from airflow.utils.log import file_task_handler
    from airflow.utils.log.log_reader import TaskLogReader

    replace(file_task_handler.FileTaskHandler, "_read", _in_a_reading)
    replace(file_task_handler, "_fetch_logs_from_service", _in_parts)
    replace(file_task_handler, "_interleave_logs", _without_heap)
    replace(file_task_handler, "LogStreamAccumulator", _without_capture)
    replace(TaskLogReader, "read_log_stream", _marked)
    # Airflow prefers it to `read`, which returns whole texts.
    S3RemoteLogIO.stream = _stream


def _in_a_reading(original: Any) -> Any:
    from airflow_on_fargate.api_server import task_logs

    def _read(self: Any, ti: Any, try_number: int, metadata: Any = None) -> Any:
        given = dict(metadata or {})
        streams, since = given.pop(_STREAMS, False), given.pop(_SINCE, None)
        reading = task_logs.Reading(
            whole=bool(streams and given.get("download_logs")), since=since or {}
        )
        if since is not None:
            # The sources begin at their positions, so no line has to be skipped.
            given["log_pos"] = 0
        token = task_logs.begin(reading)
        try:
            stream, result = original(self, ti, try_number, given)
        finally:
            task_logs.end(token)
        if reading.reached:
            result[_SINCE] = reading.reached
        # Airflow 3.2 accepts no other iterator.
        return (each for each in stream), result

    return _read


def _stream(self: Any, relative_path: str, ti: Any) -> Any:
    """The sources in S3, and the lines of each."""
    import os

    from airflow_on_fargate.api_server.task_logs import StoredLog, current

    bucket, prefix = self.hook.parse_s3_url(s3url=os.path.join(self.remote_base, relative_path))
    client = self.hook.get_conn()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    logs = [
        StoredLog(client, bucket, entry["Key"], entry["Size"])
        for page in pages
        for entry in page.get("Contents", ())
    ]
    logs.sort(key=lambda each: each.key)
    reading = current()
    streams = [_reported(reading.lines(each, len(logs)), each.address) for each in logs]
    return [each.address for each in logs], streams


def _reported(lines: Iterator[str], address: str) -> Iterator[str]:
    try:
        yield from lines
    except Exception as error:
        yield f"Could not read logs from {address} with error: {error}"


def _in_parts(original: Any) -> Any:
    from airflow_on_fargate.api_server.task_logs import ServedLog, current

    def _fetch_logs_from_service(url: str, log_relative_path: str) -> Any:
        answer = original(url, log_relative_path)
        size = int(answer.headers.get("Content-Length", 0))
        if answer.status_code == 200 and size:
            lines = current().lines(ServedLog(log_relative_path, answer, size))
            answer.raw = _Lines(_reported(lines, url))
        return answer

    return _fetch_logs_from_service


class _Lines(io.RawIOBase):
    """Lines as a file, as Airflow expects an answer's content."""

    def __init__(self, lines: Iterator[str]) -> None:
        super().__init__()
        self._lines, self._rest = lines, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            line = next(self._lines, None)
            if line is None:
                return 0
            self._rest = f"{line}\n".encode()
        found, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(found)] = found
        return len(found)


def _without_heap(original: Any) -> Any:
    """Airflow's heap holds 5,000 lines, of any length."""
    from airflow_on_fargate.api_server.task_logs import current

    def _interleave_logs(*log_streams: Any) -> Any:
        return _merged(log_streams) if current().whole else original(*log_streams)

    return _interleave_logs


def _merged(log_streams: Any) -> Iterator[Any]:
    """Lines by time, without repetitions; one line of each source is held."""
    from airflow.utils.log import file_task_handler as handler

    parsed = (handler._log_stream_to_parsed_log_stream(each) for each in log_streams)
    last = None
    for timestamp, _, line in heapq.merge(
        *parsed, key=lambda each: each[0] or handler.DEFAULT_SORT_DATETIME
    ):
        if line != last or timestamp is None:
            yield line
        last = line


def _without_capture(original: Any) -> Any:
    """Airflow counts the lines, for tokens, by writing all of them to a file first."""
    from airflow_on_fargate.api_server.task_logs import current

    def accumulator(stream: Any, threshold: int) -> Any:
        return _Uncounted(stream) if current().whole else original(stream, threshold)

    return accumulator


class _Uncounted:
    total_lines = 0

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> "_Uncounted":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _marked(original: Any) -> Any:
    def read_log_stream(self: Any, ti: Any, try_number: Any, metadata: Any) -> Iterator[str]:
        # Not before the first line is requested: the token of the answer is made of `metadata`.
        metadata.pop(_SINCE, None)
        metadata[_STREAMS] = True
        yield from original(self, ti, try_number, metadata)

    return read_log_stream
