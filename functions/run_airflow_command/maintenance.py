"""Commands that a schedule starts by name, because their arguments depend on the day."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from contracts.airflow_cli import CLEAN_DATABASE
from run_airflow_command.commands.airflow_cli import InvalidCommandError

DATABASE_CLEANING = "db-clean"


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


_COMMANDS: Mapping[str, Callable[[int, datetime], list[str]]] = {
    DATABASE_CLEANING: _database_cleaning,
}
