"""Progress: what a step waits for, and waits that survive a slow answer."""

import re
import threading

import pytest
import requests
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from commands.steps import Steps, wait_until, waits_for


def http_error(status: int) -> requests.HTTPError:
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(f"HTTP {status}", response=answer)


def answers(*given: object):
    """A condition that gives these answers, or raises them."""
    left = list(given)

    def condition() -> object:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return condition


@pytest.mark.parametrize(
    "error",
    [
        requests.ReadTimeout(),
        requests.ConnectTimeout(),
        requests.ConnectionError(),
        ReadTimeoutError(endpoint_url="http://127.0.0.1:4566"),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1:4566"),
        http_error(502),
        http_error(503),
        http_error(504),
    ],
)
def test_wait_survives_an_answer_that_does_not_come(error):
    assert wait_until(answers(error, False, error, 5), 60, "an answer", interval=0.001) == 5


@pytest.mark.parametrize("error", [http_error(403), http_error(500), KeyError("AirflowUrl")])
def test_wait_ends_with_an_error_that_no_time_heals(error):
    with pytest.raises(type(error)):
        wait_until(answers(error, True), 60, "an answer", interval=0.001)


def test_wait_that_never_got_an_answer_says_so():
    def never() -> object:
        raise requests.ReadTimeout

    with pytest.raises(TimeoutError, match=r"waiting for an answer; .* no answer \(ReadTimeout\)"):
        wait_until(never, 0.01, "an answer", interval=0.001)


class Lines:
    """Printed lines, with an event for the first that contains a text."""

    def __init__(self, text: str) -> None:
        self.lines: list[str] = []
        self.seen = threading.Event()
        self._text = text

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        if self._text in line:
            self.seen.set()


def test_long_step_says_what_it_waits_for():
    steps = Steps(say_seconds=0.01)
    steps.detail = lines = Lines("still running: b")  # type: ignore[method-assign, assignment]

    with steps.step("Run"):
        wait_until(lines.seen.is_set, 60, "the end", interval=0.001, now=lambda: "still running: b")

    assert any("waiting for the end; now: still running: b" in line for line in lines.lines)


def test_step_says_what_it_waits_for_before_anything_is_polled():
    steps = Steps(say_seconds=0.01)
    steps.detail = lines = Lines("SAM to build")  # type: ignore[method-assign, assignment]

    with steps.step("sam build", "SAM to build the functions"):
        assert lines.seen.wait(60)


def test_short_step_says_nothing_more(capsys):
    with Steps().step("Quick", "something"):
        pass

    assert "waiting for" not in capsys.readouterr().out


def test_next_step_does_not_repeat_what_the_last_one_waited_for():
    steps = Steps(say_seconds=0.01)
    steps.detail = lines = Lines("second")  # type: ignore[method-assign, assignment]
    with steps.step("One"):
        waits_for("first")

    with steps.step("Two"):
        lines.lines.clear()
        waits_for("second")
        assert lines.seen.wait(60)

    assert not [line for line in lines.lines if "first" in line]


def test_summary_says_how_long_each_step_took_and_when_it_ended(capsys):
    steps = Steps()
    with steps.step("Deploy"):
        pass
    steps.reached("First success")
    capsys.readouterr()
    steps.summary()

    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"  Deploy +\d+\.\d s   after +\d+\.\d s", lines[1])
    assert re.fullmatch(r"  First success +after +\d+\.\d s", lines[2])
    assert re.fullmatch(r"  total +\d+\.\d s", lines[3])
