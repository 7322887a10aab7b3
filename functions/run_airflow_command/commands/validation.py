"""The checks of a call's values before anything is started."""

import json
import re
import shlex

from run_airflow_command.commands.airflow_cli import InvalidCommandError, problem_of
from run_airflow_command.commands.task_overrides import (
    MAX_OVERRIDES_CHARACTERS,
    TaskSize,
    overrides,
)

# It becomes a part of keys in S3 and RunTask's client token.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def checked_command(value: object, size: TaskSize | None = None) -> tuple[str, ...]:
    """The command as a tuple, or InvalidCommandError with what to change."""
    if isinstance(value, str):
        raise InvalidCommandError(
            f"The command must be a list of strings, one for each word: {_as_list(value)}"
        )
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InvalidCommandError(
            'The command must be a list of strings, such as ["dags", "list"]; it is: '
            f"{type(value).__name__}"
            + (" with other types in it" if isinstance(value, list) else "")
        )
    if not value or not value[0].strip():
        raise InvalidCommandError('The command is empty: give one, such as ["dags", "list"]')
    if value[0] == "airflow":
        raise InvalidCommandError("Leave out the leading 'airflow': the image adds it")
    characters = len(json.dumps(overrides(value, size)))
    if characters > MAX_OVERRIDES_CHARACTERS:
        raise InvalidCommandError(
            f"The command has {characters} characters, but ECS allows {MAX_OVERRIDES_CHARACTERS}: "
            "shorten it, or put the data where the command can read it"
        )
    command = tuple(value)
    if problem := problem_of(command):
        raise InvalidCommandError(problem)
    return command


def checked_request_id(value: object) -> str:
    if not isinstance(value, str) or not _REQUEST_ID.fullmatch(value):
        raise InvalidCommandError(
            'A "requestId" has 1 to 64 letters, digits, hyphens and underscores, and starts with a '
            "letter or a digit"
        )
    return value


def _as_list(text: str) -> str:
    """The list that the caller probably meant, ready to paste."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    if words[:1] == ["airflow"]:
        words = words[1:]
    shown = json.dumps(words or ["dags", "list"])
    return shown if len(shown) <= 200 else 'such as ["dags", "list"]'
