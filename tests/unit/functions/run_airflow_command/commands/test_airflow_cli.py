"""Which commands exclude each other, and which do not exist (unit/image has the real parser)."""

import pytest

from run_airflow_command.commands.airflow_cli import DATABASE_LOCK, lock_of, problem_of
from run_airflow_command.commands.printed_secrets import log_may_be_kept


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


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("config get-value core fernet_key", "--hide-sensitive"),
        ("config get-value database sql_alchemy_conn", "--hide-sensitive"),
        ("config list --show-values", "add --hide-sensitive"),
        ("config list --section core --show-val", "add --hide-sensitive"),
        ("config list --show-values --hide-sensitivity", "add --hide-sensitive"),
        ("connections get aws_default", "Secrets Manager"),
        ("connections get aws_default --output json", "Secrets Manager"),
        ("connections export - --file-format json", "Secrets Manager"),
        ("connections list --show-values", "add --hide-sensitive"),
        ("connections list --s", "add --hide-sensitive"),
        ("variables get token", "Secrets Manager"),
        ("variables export -", "Secrets Manager"),
        ("variables list --sho -o json", "add --hide-sensitive"),
        ("info", "add --anonymize"),
        ("info --output json", "add --anonymize"),
        ("info --file-io", "public web site"),
        ("info --anonymize --file", "public web site"),
    ],
)
def test_refuses_a_command_that_prints_secrets_and_says_what_to_do(command, said):
    assert said in problem_of(tuple(command.split()))


@pytest.mark.parametrize(
    "command",
    [
        "config list",
        "config list --section core --show-values --hide-sensitive",
        "connections list",
        "connections list --show-values --hide-sensitive",
        "connections list -o json",
        "variables list",
        "variables set a b",
        "connections add a --conn-type http",
        "info --anonymize",
        "users list",
        "pools get default_pool",
    ],
)
def test_accepts_a_command_that_hides_secrets(command):
    assert problem_of(tuple(command.split())) is None


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("db migrate", True),
        ("rotate-secret jwt-key", True),
        ("upgrade-schema", True),
        ("dags list", True),
        ("dags test example", False),
        ("tasks render example task run", False),
        ("tasks test example task", False),
        ("connections add a --conn-uri x", False),
        ("variables set a b", False),
        ("config list --show-values --hide-sensitive", False),
        ("info --anonymize", False),
    ],
)
def test_end_of_a_log_is_kept_only_when_it_holds_no_secret(command, kept):
    assert log_may_be_kept(tuple(command.split())) == kept
