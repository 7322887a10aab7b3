"""Which commands exclude each other, and which do not exist (unit/image has the real parser)."""

import pytest

from run_airflow_command.commands.airflow_cli import DATABASE_LOCK, lock_of, problem_of


@pytest.mark.parametrize(
    "command",
    ["db migrate", "db downgrade --to-version 3.1.0 --yes", "db clean --yes", "fab-db migrate",
     "rotate-fernet-key", "clean-database 2026-01-01"],
)  # fmt: skip
def test_command_needs_the_lock_when_it_changes_the_whole_database(command):
    assert lock_of(tuple(command.split())) == DATABASE_LOCK


@pytest.mark.parametrize("command", ["dags list", "db check", "version", "ensure-admin-user"])
def test_command_needs_no_lock_when_it_may_run_beside_others(command):
    assert lock_of(tuple(command.split())) is None


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pools lst", "'pools' has no command 'lst'; did you mean 'pools list'?"),
        ("pools", "'pools' needs another word: delete, export, get, import, list, set"),
        ("jobs xyz", "'jobs' has no command 'xyz'; its commands: check"),
        ("pool list", "Airflow has no command 'pool'; did you mean 'pools'?"),
        ("db reset --yes", "'db reset' erases the metadata database"),
    ],
)
def test_reports_the_problem_when_airflow_has_no_such_command(command, said):
    assert problem_of(tuple(command.split())).startswith(said)


@pytest.mark.parametrize(
    "command", ["pools list", "pools --help", "version", "version --x", "restore-schema a=1"]
)
def test_accepts_a_command_that_exists(command):
    assert problem_of(tuple(command.split())) is None
