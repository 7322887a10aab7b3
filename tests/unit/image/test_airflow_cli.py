"""The command line that run_airflow_command knows is that of the image's Airflow."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from airflow_on_fargate import configuration, entrypoint
from airflow_on_fargate.database import cleaning, turn
from run_airflow_command.commands.airflow_cli import (
    _CHANGES_THE_DATABASE,
    _REFUSED,
    AIRFLOW_COMMANDS,
    OWN_COMMANDS,
    problem_of,
)
from run_airflow_command.maintenance import command_of

# In a separate process with the image's settings: the parser is built from them at import.
PARSER = """
from airflow.cli import cli_parser
from airflow.cli.cli_config import GroupCommand
for name, command in cli_parser.ALL_COMMANDS_DICT.items():
    print(name)
    if isinstance(command, GroupCommand):
        for sub in command.subcommands:
            print(name, sub.name)
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, ...]]:
    """Every command of one or two words."""
    settings = configuration.settings_for(
        {"DAG_BUCKET_NAME": "dags", "AIRFLOW__API__BASE_URL": "https://airflow.example.com"}
    )
    done = subprocess.run(
        [sys.executable, "-c", PARSER], capture_output=True, text=True, check=True,
        env={**settings, "AIRFLOW_HOME": str(tmp_path_factory.mktemp("home"))},
    )  # fmt: skip
    return {tuple(line.split()) for line in done.stdout.splitlines()}


def test_commands_are_those_of_the_real_parser(commands):
    known = {(group,) for group in AIRFLOW_COMMANDS}
    known |= {(group, word) for group, words in AIRFLOW_COMMANDS.items() for word in words.split()}
    assert commands == known


def test_refused_commands_exist(commands):
    assert set(_REFUSED) - commands == set()


def test_own_commands_are_those_of_the_entrypoint():
    assert set(entrypoint.OWN_COMMANDS) == OWN_COMMANDS


def test_own_commands_hide_no_command_of_airflow():
    assert not OWN_COMMANDS & AIRFLOW_COMMANDS.keys()


def test_commands_that_run_alone_take_turns_in_the_image():
    airflows = {words for words in _CHANGES_THE_DATABASE if words[0] not in OWN_COMMANDS}
    assert airflows == turn.CHANGES_SCHEMA | turn.CHANGES_ROWS


def test_real_parser_accepts_the_cleaning_command():
    from airflow.cli import cli_parser

    command, moment = command_of("db-clean", 30, datetime.now(UTC))
    assert command in entrypoint.OWN_COMMANDS
    words = cleaning._db_clean(datetime.fromisoformat(moment))
    arguments = cli_parser.get_parser().parse_args(words)
    assert arguments.yes
    assert arguments.error_on_cleanup_failure
    assert arguments.skip_archive
    assert arguments.clean_before_timestamp.tzinfo is not None


@pytest.mark.parametrize(
    "words", ["config list --show-values --hide-sensitive", "config list", "info --anonymize"]
)
def test_accepted_commands_print_no_secret(words, tmp_path):
    assert problem_of(tuple(words.split())) is None
    # 32 bytes as Fernet needs them, and a password that can be found in any URL.
    secret = "S" * 43 + "="
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__FERNET_KEY": secret,
        "AIRFLOW__API__SECRET_KEY": "S" * 64,
        "AIRFLOW__API_AUTH__JWT_SECRET": "S" * 64,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://a:{secret[:40]}@h/d",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://a:{secret[:40]}@h/d",
        "ADMIN_PASSWORD": secret,
        "FLASK_SECRET_KEY": secret,
        "COMPONENT": "command",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    configuration.apply(environment)
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words.split()],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 1000
    assert "SSSSSSSS" not in done.stdout + done.stderr
