"""No error of a command reaches the user as a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ReadTimeoutError

from commands import __main__ as program
from commands.workspace import CommandError
from plain_errors import plain_errors

ROOT = Path(__file__).resolve().parents[3]


class ExpectedError(Exception):
    """An error with a sentence for the user."""


def ended_by(error: BaseException, tmp_path: Path) -> str:
    """What the user sees at the end."""
    with (
        pytest.raises(SystemExit) as ended,
        plain_errors(expected=(ExpectedError,), log=lambda: tmp_path / "logs" / "error.log"),
    ):
        raise error
    assert isinstance(ended.value.code, str)
    return ended.value.code.strip()


def test_expected_error_is_its_own_sentence(tmp_path):
    assert ended_by(ExpectedError("Port 80 is taken."), tmp_path) == "Port 80 is taken."
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    "error",
    [
        requests.ReadTimeout("Read timed out. (read timeout=30)"),
        requests.ConnectionError("Connection refused"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1:4566"),
        TimeoutError("Timed out after 300 s waiting for the embedded AWS"),
    ],
)
def test_missing_answer_is_a_sentence_about_a_busy_machine(tmp_path, error):
    text = ended_by(error, tmp_path)

    assert text.startswith("A service of this machine did not answer in time: ")
    assert "run the same command again" in text


def test_refusal_of_the_operating_system_names_the_file(tmp_path):
    error = PermissionError(13, "Permission denied", "/state/built")

    assert ended_by(error, tmp_path).startswith(
        "The operating system refused something: Permission denied: /state/built."
    )


def test_unexpected_error_is_one_sentence_and_the_log_has_its_traceback(tmp_path):
    sentence, where = ended_by(KeyError("AirflowUrl"), tmp_path).splitlines()

    assert sentence == "An unexpected error ended this command: KeyError: 'AirflowUrl'"
    log = tmp_path / "logs" / "error.log"
    assert str(log) in where
    assert "Traceback (most recent call last)" in log.read_text()


def test_traceback_is_shown_when_debugging(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_DEBUG", "1")

    ended_by(KeyError("AirflowUrl"), tmp_path)

    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_log_that_cannot_be_written_is_no_further_error(monkeypatch):
    def refuse() -> Path:
        raise CommandError("LOCAL_UI_PORT is 'http': give a port number.")

    with pytest.raises(SystemExit) as ended, plain_errors(log=refuse):
        raise KeyError("x")

    assert "Set LOCAL_DEBUG=1 to see the details." in str(ended.value.code)


def test_interrupt_ends_with_a_sentence(tmp_path):
    assert ended_by(KeyboardInterrupt(), tmp_path).startswith("Interrupted")


def test_commands_write_the_details_into_their_state_folder(tmp_path, monkeypatch):
    def broken(workspace: object) -> None:
        raise requests.ReadTimeout("Read timed out.")

    monkeypatch.setenv("LOCAL_STATE_DIR", str(tmp_path))
    monkeypatch.setitem(program.COMMANDS, "status", broken)

    with pytest.raises(SystemExit) as ended:
        program.main(["status"])

    assert "Traceback" not in str(ended.value.code)
    assert "ReadTimeout" in (tmp_path / "error.log").read_text()


@pytest.mark.parametrize("module", ["bench.cost", "no.such.module"])
def test_program_that_is_started_through_it_shows_no_traceback(module, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "local" / "plain_errors.py", module, "--template", "nowhere.yaml"],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode != 0
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_every_program_of_the_makefile_shows_no_traceback():
    lines = (ROOT / "Makefile").read_text().splitlines()
    text = "\n".join(line for line in lines if "/mypy " not in line)
    started = re.findall(r"(?:/python|@\$\(PYTHON\)) +([\w./-]\S*(?: [\w.]+)?)", text)
    # check_dags runs in an environment of its own, and says its errors itself.
    tools = ("-m pytest", "-m tests.mutation", "-m check_dags")

    assert "-m commands" in started
    assert [
        each
        for each in started
        if each not in tools and not each.startswith(("-m commands", "local/"))
    ] == []
