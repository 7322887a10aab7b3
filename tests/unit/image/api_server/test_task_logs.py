"""A log of any size is read in bounded memory, and nothing of it is lost silently."""

import json
from dataclasses import dataclass, field

import pytest

from airflow_on_fargate.api_server import task_logs
from airflow_on_fargate.api_server.task_logs import Reading

SIZES = {"HEAD_BYTES": 100, "TAIL_BYTES": 200, "_LEAST_BYTES": 40, "PART_BYTES": 64,
         "MAX_LINE_BYTES": 50}  # fmt: skip


@dataclass
class Log:
    """A source that records which bytes are read."""

    data: bytes
    grows: bool = False
    names: tuple[str, ...] = ("served:attempt=1.log",)
    advice: str = "Get it."
    requests: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, end: int) -> bytes:
        self.requests.append((start, end))
        return self.data[start:end]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SIZES.items():
        monkeypatch.setattr(task_logs, name, value)


def numbered(first: int, last: int) -> bytes:
    """Lines of ten bytes."""
    return b"".join(f"line {number:04d}\n".encode() for number in range(first, last))


def texts(first: int, last: int) -> list[str]:
    return numbered(first, last).decode().splitlines()


@pytest.mark.parametrize("count", [0, 1, 29, 30])
def test_log_that_fits_is_shown_whole(count: int) -> None:
    assert list(Reading().lines(Log(numbered(0, count)))) == texts(0, count)


def test_large_log_shows_beginning_and_end_and_says_what_is_missing() -> None:
    log = Log(numbered(0, 9000))
    found = list(Reading().lines(log))
    assert found[:10] == texts(0, 10)
    # The first line of the end is whole only by chance.
    assert found[11:] == texts(8981, 9000)
    message = json.loads(found[10])
    assert message["level"] == "warning"
    assert message["event"] == ("--- 0.1 of 0.1 MB of this log are not shown here. Get it. ---")


def test_left_out_bytes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def cut(_: object, left_out: int) -> str:
        counted.append(left_out)
        return ""

    monkeypatch.setattr(task_logs, "_cut", cut)
    shown = list(Reading().lines(Log(numbered(0, 9000))))
    assert counted == [90_000 - 10 * (len(shown) - 1)]


def test_large_log_requests_only_what_it_shows() -> None:
    log = Log(numbered(0, 9000))
    list(Reading().lines(log))
    assert log.requests == [(0, 100), (log.size - 200, log.size)]


def test_many_sources_share_the_window() -> None:
    logs = [Log(numbered(0, 1000)) for _ in range(50)]
    for log in logs:
        list(Reading().lines(log, len(logs)))
    assert {end - start for log in logs for start, end in log.requests} == {40}


def test_whole_log_is_read_in_parts() -> None:
    log = Log(numbered(0, 9000))
    assert list(Reading(whole=True).lines(log)) == texts(0, 9000)
    assert max(end - start for start, end in log.requests) == 64
    assert sum(end - start for start, end in log.requests) == log.size


@pytest.mark.parametrize("whole", [False, True])
def test_line_without_end_is_divided(whole: bool) -> None:
    log = Log(b"x" * 5000)
    lines = list(Reading(whole=whole).lines(log))
    assert max(len(line) for line in lines if line.startswith("x")) <= 200
    assert sum(line.count("x") for line in lines if line.startswith("x")) == (
        5000 if whole else 250
    )


@pytest.mark.parametrize("size", [0, 1, 49, 50, 51, 100, 101])
def test_dividing_loses_and_adds_nothing(size: int) -> None:
    log = Log(b"a\n" + b"x" * size + b"\nb")
    found = list(Reading(whole=True).lines(log))
    assert "".join(found) == "a" + "x" * size + "b"
    assert all(len(line) <= 50 for line in found)


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert list(Reading().lines(Log(b"caf\xe9\n\xff"))) == ["caf\ufffd", "\ufffd"]


def test_token_continues_where_the_last_answer_ended() -> None:
    log = Log(numbered(0, 5) + b"half", grows=True)
    first = Reading()
    assert list(first.lines(log)) == texts(0, 5)
    log.data += b" a line\n" + numbered(6, 8)
    second = Reading(since=first.reached)
    assert list(second.lines(log)) == ["half a line", *texts(6, 8)]
    assert list(Reading(since=second.reached).lines(log)) == []


def test_token_after_a_cut_continues_at_the_end() -> None:
    log = Log(numbered(0, 9000), grows=True)
    first = Reading()
    list(first.lines(log))
    log.data += b"new\n"
    log.requests.clear()
    assert list(Reading(since=first.reached).lines(log)) == ["new"]
    assert log.requests == [(log.size - 4, log.size)]


def test_token_continues_in_the_stored_log_when_the_task_has_ended() -> None:
    first = Reading()
    list(first.lines(Log(numbered(0, 5), grows=True)))
    stored = Log(numbered(0, 7), names=("stored:attempt=1.log", "served:attempt=1.log"))
    assert list(Reading(since=first.reached).lines(stored)) == texts(5, 7)


def test_token_begins_again_when_the_log_is_another_one() -> None:
    short = Log(numbered(0, 2))
    assert list(Reading(since={short.names[0]: 1000}).lines(short)) == texts(0, 2)
