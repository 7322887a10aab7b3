"""Commands that a schedule starts by name: their failure has a metric, because nobody waits."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from contracts.airflow_cli import CLEAN_DATABASE, ROTATE_SECRET
from run_airflow_command.commands.airflow_cli import InvalidCommandError

DATABASE_CLEANING = "db-clean"
# What a schedule may rotate: users notice nothing, running tasks continue, it takes minutes. Others
# sign users out, hide logs, or wait for workers for hours: docs/runbooks/rotate-secrets.md.
ROTATED_BY_SCHEDULE = (
    "database-master-password",
    "database-password",
    "fernet-key",
)


def command_of(name: object, retention_days: int, now: datetime) -> list[str]:
    """The words of a maintenance command."""
    if not isinstance(name, str) or name not in _COMMANDS:
        raise InvalidCommandError(
            f"Unknown maintenance; possible are: {', '.join(sorted(_COMMANDS))}"
        )
    return _COMMANDS[name](retention_days, now)


def _database_cleaning(retention_days: int, now: datetime) -> list[str]:
    if retention_days < 1:
        raise InvalidCommandError(
            "The database is not cleaned: the number of days to keep history is 0. Give "
            '"retentionDays", or run the command itself with a date of your choice'
        )
    before = (now - timedelta(days=retention_days)).replace(microsecond=0)
    return [CLEAN_DATABASE, before.isoformat()]


def _rotation(secret: str) -> Callable[[int, datetime], list[str]]:
    return lambda _retention_days, _now: [ROTATE_SECRET, secret]


_COMMANDS: Mapping[str, Callable[[int, datetime], list[str]]] = {
    DATABASE_CLEANING: _database_cleaning,
    **{f"{ROTATE_SECRET} {secret}": _rotation(secret) for secret in ROTATED_BY_SCHEDULE},
}
