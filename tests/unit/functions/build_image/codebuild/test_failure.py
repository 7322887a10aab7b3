"""The reason of a failed build: short enough, without noise, and without secrets."""

import pytest

from build_image.codebuild.builds import Build
from build_image.codebuild.failure import last_lines, reason
from shared.cloudformation.answer_body import response_body

FIELDS = {"Status": "FAILED", "PhysicalResourceId": "Image", "StackId": "s" * 200}


def build(status: str = "FAILED", phase: str = "BUILD", message: str = "") -> Build:
    return Build("project:1", status, phase, message, "/codebuild", "stream")


def test_reason_has_the_phase_what_codebuild_says_and_the_last_lines() -> None:
    text = reason(build(message="exit status 1."), ["one\n", "two\n"])

    assert text == (
        "The build project:1 in CodeBuild failed in the phase BUILD (exit status 1). The former "
        "image stays. The last lines of its log:\none\ntwo"
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("STOPPED", "was stopped in the phase BUILD. It was stopped by hand"),
        ("TIMED_OUT", "ran out of time in the phase BUILD. Deploy again. If it happens"),
        ("FAULT", "failed in the phase BUILD. CodeBuild itself failed: deploy again."),
    ],
)
def test_reason_says_what_to_do_about_an_end_from_outside(status: str, expected: str) -> None:
    assert expected in reason(build(status), ["one"])


def test_build_without_a_log_names_its_group() -> None:
    assert reason(build(), []).endswith("It has no log (log group /codebuild).")


def test_lines_of_the_agent_and_colours_are_left_out() -> None:
    lines = [
        "\x1b[31mE: no such package\x1b[0m\n",
        "\n",
        "[Container] 2026/11/28 00:00:00 Phase complete: BUILD State: FAILED\n",
        "[Container] 2026/11/28 00:00:00 Entering phase POST_BUILD\n",
    ]

    assert last_lines(lines) == ["E: no such package"]


def test_event_with_several_lines_counts_as_several() -> None:
    assert last_lines(["one\ntwo\n", "three"]) == ["one", "two", "three"]


@pytest.mark.parametrize(
    "line",
    [
        "Looking in indexes: https://user:hunter2@pypi.example.com/simple",
        "curl https://b.s3.amazonaws.com/k?X-Amz-Signature=hunter2&X-Amz-Date=1",
        "curl https://b.s3.amazonaws.com/k?X-Amz-Security-Token=hunter2",
        "ENV DB_PASSWORD=hunter2",
        "ENV PIP_INDEX_TOKEN hunter2".replace(" hunter2", ": hunter2"),
        '{"apiKey": "hunter2"}',
        "aws_secret_access_key = hunter2",
        "Authorization: Bearer hunter2",
    ],
)
def test_secrets_in_the_log_are_not_in_the_reason(line: str) -> None:
    (shown,) = last_lines([line])

    assert "hunter2" not in shown
    assert "***" in shown


def test_access_key_in_the_log_is_not_in_the_reason() -> None:
    assert last_lines(["key ASIAABCDEFGHIJKLMNOP of a role"]) == ["key *** of a role"]


def test_reason_of_a_long_log_fits_into_the_answer_uncut() -> None:
    lines = [f"{number:03} {'é' * 500}" for number in range(100)]

    text = reason(build(message="m" * 300), lines)
    body = response_body(FIELDS, text)

    assert b"[\xe2\x80\xa6]" not in body
    assert "\n099 " in text


def test_last_lines_are_kept_when_there_are_too_many() -> None:
    shown = last_lines([str(number) for number in range(1000)])

    assert shown == [str(number) for number in range(980, 1000)]
