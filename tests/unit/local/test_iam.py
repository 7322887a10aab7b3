"""make iam-report and the refusals in make status."""

import json
from pathlib import Path

import pytest

from commands.iam import RECORD, iam_report, refusals
from commands.status import refusal_lines
from commands.workspace import CommandError, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, aws_port=4566, ui_port=8080, https_port=8443, database_port=5433)


def decision(action: str, *, allowed: bool) -> dict[str, object]:
    return {
        "type": "decision",
        "allowed": allowed,
        "principal": "arn:aws:sts::000000000000:assumed-role/worker/task-1",
        "action": action,
        "resource": "arn:aws:s3:::bucket/key",
    }


def record(workspace: Workspace, *lines: dict[str, object]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (workspace.state_dir / RECORD).write_text(text)


def test_refusals_are_named_once_and_in_their_order(workspace):
    record(
        workspace,
        decision("s3:PutObject", allowed=False),
        decision("s3:ListBucket", allowed=True),
        decision("s3:GetObject", allowed=False),
        decision("s3:PutObject", allowed=False),
    )

    assert refusals(workspace) == [
        "worker/task-1: s3:PutObject on arn:aws:s3:::bucket/key",
        "worker/task-1: s3:GetObject on arn:aws:s3:::bucket/key",
    ]


def test_nothing_was_refused_when_there_is_no_record(workspace):
    assert refusals(workspace) == []


def test_line_that_is_still_being_written_is_left_out(workspace):
    line = json.dumps(decision("s3:PutObject", allowed=False))
    (workspace.state_dir / RECORD).write_text(f"{line}\n{line[:-10]}")

    assert len(refusals(workspace)) == 1


def test_status_shows_the_newest_refusals_and_counts_the_rest():
    refused = [f"role: action-{number}" for number in range(7)]

    lines = refusal_lines(refused)

    assert lines[0].split() == ["IAM", "7", "refused"]
    assert [line.strip() for line in lines[1:6]] == refused[2:]
    assert lines[-1].strip() == "and 2 before; `make iam-report` shows all"


def test_status_says_when_nothing_was_refused():
    assert refusal_lines([]) == ["\nIAM             nothing was refused"]


def test_report_says_what_to_do_when_nothing_is_recorded(workspace):
    with pytest.raises(CommandError, match="make up"):
        iam_report(workspace)
