"""Airflow's command line: enough of it to refuse a mistake before it costs a task.

Besides `contracts` it needs only the standard library, because a test in Airflow's own environment
(tests/unit/image/test_airflow_cli.py) compares it with the real parser.
"""

import difflib

from contracts.airflow_cli import (
    CHANGES_ROWS,
    CHANGES_SCHEMA,
    CLEAN_DATABASE,
    OWN_COMMANDS,
    ROTATE_SECRET,
)
from run_airflow_command.commands import printed_secrets

# Every command of the image's Airflow and its providers: first word → second words, if any.
AIRFLOW_COMMANDS = {
    "api-server": "",
    "assets": "details list materialize",
    "aws-auth-manager": "init-avp update-avp-schema",
    "backfill": "create",
    "celery": "add-queue flower list-workers remove-all-queues remove-queue shutdown-all-workers "
    "shutdown-worker stop worker",
    "cheat-sheet": "",
    "config": "get-value lint list update",
    "connections": "add create-default-connections delete export get import list test",
    "dag-processor": "",
    "dags": "clear delete details list list-import-errors list-jobs list-runs next-execution pause "
    "report reserialize show show-dependencies state test trigger unpause",
    "db": "check check-migrations clean downgrade drop-archived export-archived migrate reset "
    "shell",
    "db-manager": "downgrade migrate reset",
    "fab-db": "downgrade migrate reset",
    "info": "",
    "jobs": "check",
    "kerberos": "",
    "partitions": "clear",
    "permissions-cleanup": "",
    "plugins": "",
    "pools": "delete export get import list set",
    "providers": "auth-managers behaviours configs executors get hooks lazy-loaded links list "
    "logging notifications queues secrets triggers widgets",
    "roles": "add-perms create del-perms delete export import list",
    "rotate-fernet-key": "",
    "scheduler": "",
    "standalone": "",
    "state-store": "clean",
    "sync-perm": "",
    "tasks": "clear failed-deps list render state states-for-dag-run test",
    "teams": "create delete list sync",
    "triggerer": "",
    "users": "add-role create delete export import list remove-role reset-password",
    "variables": "delete export get import list set",
    "version": "",
}

# These run until they are stopped: their task would run, and cost, without end.
_NEVER_ENDS = (
    "runs until it is stopped, but a command's task must end by itself: the services run it"
)
_ERASES = (
    "erases the metadata database: restore a snapshot, or delete the stack and deploy a new one"
)
_REFUSED = {
    ("api-server",): _NEVER_ENDS,
    ("dag-processor",): _NEVER_ENDS,
    ("kerberos",): _NEVER_ENDS,
    ("scheduler",): _NEVER_ENDS,
    ("standalone",): _NEVER_ENDS,
    ("triggerer",): _NEVER_ENDS,
    ("celery", "flower"): _NEVER_ENDS,
    ("celery", "worker"): _NEVER_ENDS,
    ("db", "reset"): _ERASES,
    ("db-manager", "reset"): _ERASES,
    ("fab-db", "reset"): _ERASES,
    ("db", "shell"): "needs a terminal, and a command's task has none",
}

# Two of these at the same time, of the same kind or not, would change or empty the same tables.
# upgrade-schema and restore-schema are not listed: refusing one in a rollback would leave the stack
# in UPDATE_ROLLBACK_FAILED. In the database all of them, including those two, wait for each other
# (a lock that the image takes).
_CHANGES_THE_DATABASE = (
    CHANGES_SCHEMA | CHANGES_ROWS | frozenset({(CLEAN_DATABASE,), (ROTATE_SECRET,)})
)
DATABASE_LOCK = "database"


class InvalidCommandError(Exception):
    """The command cannot be run; nothing was started."""


def problem_of(command: tuple[str, ...]) -> str | None:
    """Why this command is refused, in one sentence; None when it may run."""
    group = command[0]
    if group in OWN_COMMANDS:
        return None
    if group not in AIRFLOW_COMMANDS:
        return _unknown(group)
    for words in _beginnings(command):
        if words in _REFUSED:
            return f"'{' '.join(words)}' {_REFUSED[words]}"
    if problem := printed_secrets.problem_of(command):
        return problem
    known = AIRFLOW_COMMANDS[group].split()
    # An option before the second word, above all --help, is left to Airflow.
    if not known or (command[1:] and (command[1] in known or command[1].startswith("-"))):
        return None
    if not command[1:]:
        return f"'{group}' needs another word: {', '.join(known)}"
    near = difflib.get_close_matches(command[1], known, n=1)
    hint = f"did you mean '{group} {near[0]}'?" if near else f"its commands: {', '.join(known)}"
    return f"'{group}' has no command '{command[1][:60]}'; {hint}"


def lock_of(command: tuple[str, ...]) -> str | None:
    """The lock that the command needs; None when it may run beside any other command."""
    locked = any(words in _CHANGES_THE_DATABASE for words in _beginnings(command))
    return DATABASE_LOCK if locked else None


def _beginnings(command: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return command[:1], command[:2]


def _unknown(group: str) -> str:
    known = sorted(AIRFLOW_COMMANDS.keys() | OWN_COMMANDS)
    near = difflib.get_close_matches(group, known, n=1)
    if near:
        return f"Airflow has no command '{group}'; did you mean '{near[0]}'?"
    if " " in group:
        words = ", ".join(f'"{word}"' for word in group.split())
        return f"Airflow has no command '{group}': give each word separately, [{words}, …]"
    return f"Airflow has no command '{group}'; its commands: {', '.join(known)}"
