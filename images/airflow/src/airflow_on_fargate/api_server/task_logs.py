"""Task logs in bounded memory, however large they are.

A log has one or more *sources*: objects in S3 and, while the task runs, a file that its worker
serves. From a source that is larger than the window, the beginning and the end are read, and a line
between them says what is left out and how to get it. `whole` reads everything, in parts, one after
the other.

Positions are bytes, so that the answer to a continuation token does not depend on how much was
shown before: it begins where the last answer ended.
"""

import json
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

# Of a source that is larger than both together. An answer of 3 MiB takes the API server some 60 MiB
# of memory.
HEAD_BYTES: Final = 1024 * 1024
TAIL_BYTES: Final = 2 * 1024 * 1024
# Of each of many sources.
_LEAST_BYTES: Final = 64 * 1024

# Requested at once.
PART_BYTES: Final = 4 * 1024 * 1024
# A longer line is divided. Airflow sends [api] log_stream_buffer_size lines at once.
MAX_LINE_BYTES: Final = 256 * 1024


class Source(Protocol):
    """One file of a log.

    `names` identify it in a token, the first one in new tokens. `grows` while the task runs.
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def advice(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def grows(self) -> bool: ...

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`."""


@dataclass
class Reading:
    """One request: where it begins in each source, and where it ended."""

    whole: bool = False
    since: dict[str, int] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)

    def lines(self, source: Source, sources: int = 1) -> Iterator[str]:
        """The lines of one of several sources."""
        start = next((self.since[name] for name in source.names if name in self.since), 0)
        if start > source.size:
            # Another file of this name.
            start = 0
        head = max(HEAD_BYTES // sources, _LEAST_BYTES)
        tail = max(TAIL_BYTES // sources, _LEAST_BYTES)
        self.reached[source.names[0]] = start
        if self.whole or source.size - start <= head + tail:
            yield from self._all(source, start)
        else:
            yield from self._window(source, start, head, tail)

    def _all(self, source: Source, start: int) -> Iterator[str]:
        rest = b""
        for position in range(start, source.size, PART_BYTES):
            part = source.read(position, min(position + PART_BYTES, source.size))
            *lines, rest = _divided(rest + part)
            yield from map(_text, lines)
        yield from self._last(source, source.size, rest)

    def _last(self, source: Source, end: int, rest: bytes) -> Iterator[str]:
        """What follows the last line break is a line, unless more of it is to come."""
        if rest and not source.grows:
            yield _text(rest)
            rest = b""
        self.reached[source.names[0]] = end - len(rest)

    def _window(self, source: Source, start: int, head: int, tail: int) -> Iterator[str]:
        *lines, rest = _divided(source.read(start, start + head))
        # A line that alone fills the window is shown in part.
        shown = head - len(rest) if lines else head
        yield from map(_text, lines or [rest])
        first = source.size - tail
        data = source.read(first, source.size)
        partial = data.find(b"\n") + 1
        yield _cut(source, first + partial - start - shown)
        *lines, rest = _divided(data[partial:])
        yield from map(_text, lines)
        yield from self._last(source, source.size, rest)


def _divided(data: bytes) -> list[bytes]:
    """The lines; the last one is not finished."""
    lines = data.split(b"\n")
    if all(len(line) <= MAX_LINE_BYTES for line in lines):
        return lines
    return [
        line[place : place + MAX_LINE_BYTES]
        for line in lines
        for place in range(0, max(len(line), 1), MAX_LINE_BYTES)
    ]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def _cut(source: Source, left_out: int) -> str:
    return json.dumps(
        {
            "event": (
                f"--- {left_out / 1_000_000:,.1f} of {source.size / 1_000_000:,.1f} MB of this log "
                f"are not shown here. {source.advice} ---"
            ),
            "level": "warning",
            "logger": "airflow_on_fargate.task_logs",
        }
    )


_BY_API: Final = (
    "get the log from the API with full_content=true and the header Accept: application/x-ndjson"
)


@dataclass
class StoredLog:
    """An object in S3."""

    client: Any
    bucket: str
    key: str
    size: int
    grows: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        # When a task ends, what its worker served is stored.
        return _name("stored", self.key), _name("served", self.key)

    @property
    def advice(self) -> str:
        return f"For all of it, run: aws s3 cp '{self.address}' . Or {_BY_API}."

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def read(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        answer = self.client.get_object(
            Bucket=self.bucket, Key=self.key, Range=f"bytes={start}-{end - 1}"
        )
        data: bytes = answer["Body"].read()
        return data


class ServedLog:
    """A file that a running task's worker serves, or the triggerer.

    `answer` is the response to a request for the whole file, of which nothing was read yet.
    """

    grows = True
    advice = f"For all of it, {_BY_API}."

    def __init__(self, path: str, answer: Any, size: int) -> None:
        self.names, self.size = (_name("served", path),), size
        self._answer = answer
        self._raw, self._position = answer.raw, 0

    def read(self, start: int, end: int) -> bytes:
        if start != self._position:
            self._request(start)
        found = []
        while self._position < end and (data := self._raw.read(end - self._position)):
            found.append(data)
            self._position += len(data)
        return b"".join(found)

    def _request(self, start: int) -> None:
        """Continue elsewhere in the file, with the token of the first request."""
        import requests

        self._answer.close()
        answer = requests.get(
            self._answer.url,
            headers={
                "Authorization": self._answer.request.headers["Authorization"],
                "Range": f"bytes={start}-{self.size - 1}",
            },
            stream=True,
            timeout=30,
        )
        answer.raise_for_status()
        if answer.status_code != 206:
            answer.close()
            raise OSError(f"{answer.url} does not support ranges")
        self._answer, self._raw, self._position = answer, answer.raw, start


def _name(kind: str, path: str) -> str:
    # The folder is the same for all sources of a log.
    return f"{kind}:{path.rpartition('/')[2]}"


_current: ContextVar[Reading | None] = ContextVar("reading", default=None)


def current() -> Reading:
    """The reading of this request; one without history outside of requests."""
    return _current.get() or Reading()


def begin(reading: Reading) -> Any:
    """Make `reading` the current one; `end` takes the result."""
    return _current.set(reading)


def end(token: Any) -> None:
    _current.reset(token)
