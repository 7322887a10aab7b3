"""Wait until the database has the schema that this image needs."""

import os
import time
from collections.abc import Callable
from typing import Final

from airflow_on_fargate import heartbeat
from airflow_on_fargate.schema.alembic_heads import Mismatch, mismatch

LOOK_SECONDS: Final = 3.0
LOG_SECONDS: Final = 15.0


def wait(
    component: str,
    look: Callable[[], Mismatch | None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], None] = lambda text: print(text, flush=True),
) -> None:
    """Return when the schema is the one needed, without a limit; log every 15 s what is missing."""
    look = look or (lambda: mismatch(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]))
    started = clock()
    said_at: float | None = None
    while (problem := _problem(look)) is not None:
        heartbeat.beat(heartbeat.waiting_for_schema(component))
        if said_at is None or clock() - said_at >= LOG_SECONDS:
            said_at = clock()
            say(f"Waiting for the database schema for {said_at - started:.0f} s: {problem}")
        sleep(LOOK_SECONDS)
    heartbeat.clear(heartbeat.waiting_for_schema(component))
    if said_at is not None:
        say(f"The database schema is ready after {clock() - started:.0f} s")


def _problem(look: Callable[[], Mismatch | None]) -> str | None:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        problem = look()
    except SQLAlchemyError as error:
        # The driver's message contains host and user, never the password. No statement is logged.
        cause = getattr(error, "orig", None) or error
        return f"the database does not answer ({type(cause).__name__}: {str(cause).strip()})"
    return None if problem is None else str(problem)
