"""Which commands exclude each other. (Which exist is tested with the real parser: unit/image.)"""

import pytest

from run_airflow_command.airflow_cli import DATABASE_LOCK, lock_of


@pytest.mark.parametrize(
    "command",
    ["db migrate", "db downgrade --to-version 3.1.0 --yes", "db clean --yes", "fab-db migrate",
     "rotate-fernet-key", "clean-database 2026-01-01"],
)  # fmt: skip
def test_needs_the_lock_when_it_changes_the_database_as_a_whole(command):
    assert lock_of(tuple(command.split())) == DATABASE_LOCK


@pytest.mark.parametrize("command", ["dags list", "db check", "version", "ensure-admin-user"])
def test_needs_no_lock_when_it_may_run_beside_others(command):
    assert lock_of(tuple(command.split())) is None
