"""How long the oldest queued task has waited: one query a minute, from the scheduler.

It is called when the scheduler's loop turns, which has imported all modules that are named here.

The age of the oldest message would not say it: a message stays in its queue until its task ends.
"""

from collections.abc import Mapping
from datetime import UTC, datetime


def oldest_queued_task() -> Mapping[str, float]:
    """0 while no task is queued, so that an alarm on it returns to OK."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import func, select

    query = select(func.min(TaskInstance.queued_dttm)).where(
        TaskInstance.state == TaskInstanceState.QUEUED
    )
    with create_session() as session:
        oldest = session.scalar(query)
    waited = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
    return {"queued.oldest": max(0.0, waited)}
