"""Commands that change the whole metadata database run one at a time.

The turn is a lock in the database itself, so that a rollback can wait for it: the function's own
lock refuses a second command, and a refusal during a rollback would leave the stack in
UPDATE_ROLLBACK_FAILED. The lock ends with the process that holds it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from airflow_on_fargate.contracts.airflow_cli import CHANGES_ROWS, CHANGES_SCHEMA
from airflow_on_fargate.schema import alembic_heads

# Any constant number that no other lock has.
ADVISORY_LOCK: Final = 4_150_917_203


def _say(text: str) -> None:
    print(text, flush=True)


def is_for(arguments: Sequence[str]) -> bool:
    """Whether an Airflow command with these arguments needs a turn."""
    return bool(_beginnings(arguments) & (CHANGES_SCHEMA | CHANGES_ROWS))


@contextmanager
def taken(connection_url: str, say: Callable[[str], None] = _say) -> Iterator[None]:
    """Wait for the turn without a limit; it ends with the block, or with this process."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(connection_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    key = {"key": ADVISORY_LOCK}
    with engine.connect() as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
            say("Waiting for another command that changes the database")
            connection.execute(text("SELECT pg_advisory_lock(:key)"), key)
        yield


def run(arguments: Sequence[str]) -> int:
    """Run an Airflow command in its turn; returns its exit code, or 1 if it was not run."""
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    with taken(url):
        if _beginnings(arguments) & CHANGES_ROWS and (problem := alembic_heads.mismatch(url)):
            _say(f"The schema is not the one that this image needs: {problem}")
            return 1
        return airflow(arguments)


def airflow(arguments: Sequence[str]) -> int:
    """Run Airflow as a child, because this process holds the turn; SIGTERM is passed on."""
    child = subprocess.Popen([sys.executable, "-m", "airflow", *arguments])
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        return child.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


def _beginnings(arguments: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(arguments[:1]), tuple(arguments[:2])}
