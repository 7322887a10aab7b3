"""`requeue-tasks`: queue again what is queued, where its messages are lost.

The database knows each queued task, so nothing is lost with a broker that is replaced or comes back
empty. Airflow notices by itself, but only when a task has been queued for longer than
[scheduler] task_queued_timeout (an hour here). This command makes it notice at its next check, in
two minutes at most: the scheduler then revokes the former message and sends another.

A former message that is delivered all the same does no harm: the execution API starts a task once,
and the second worker leaves it. Airflow counts this as one of the two times that it queues a stuck
task again.
"""

import argparse
import os
from typing import Any, Final

# More than any [scheduler] task_queued_timeout.
AGED: Final = "30 days"


def main(*arguments: str) -> int:
    """Exit code 0, with one line about the number of tasks."""
    from sqlalchemy.engine import make_url

    from airflow_on_fargate.database.roles import connected

    argparse.ArgumentParser(
        prog="requeue-tasks", description="Queue again all tasks that are queued."
    ).parse_args(arguments)
    with connected(make_url(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])) as connection:
        count = age_queued_tasks(connection)
    print(f"The scheduler queues {count} tasks again at its next check, in two minutes at most.")
    return 0


def age_queued_tasks(connection: Any) -> int:
    """Let queued tasks seem to have been queued long ago; returns their number."""
    statement = (
        f"UPDATE task_instance SET queued_dttm = now() - interval '{AGED}'"  # noqa: S608 - a constant
        " WHERE state = 'queued'"
    )
    return int(connection.exec_driver_sql(statement).rowcount)
