"""`requeue-tasks`: the scheduler's own check finds the tasks at its next look."""

from typing import Any

import pytest

from airflow_on_fargate.celery import requeue
from airflow_on_fargate.database.roles import connected

TABLE = "CREATE TEMPORARY TABLE task_instance (id int, state varchar(20), queued_dttm timestamptz)"
ROWS = (
    "INSERT INTO task_instance VALUES (1, 'queued', now()), (2, 'queued', NULL),"
    " (3, 'running', now()), (4, 'scheduled', NULL), (5, NULL, NULL)"
)


def test_only_queued_tasks_seem_to_have_been_queued_long_ago(metadata: Any) -> None:
    with connected(metadata) as connection:
        connection.exec_driver_sql(TABLE)
        connection.exec_driver_sql(ROWS)

        assert requeue.age_queued_tasks(connection) == 2

        found = connection.exec_driver_sql(
            "SELECT id FROM task_instance WHERE queued_dttm < now() - interval '29 days'"
            " ORDER BY id"
        ).scalars()
        assert list(found) == [1, 2]


def test_arguments_are_refused() -> None:
    with pytest.raises(SystemExit):
        requeue.main("--all")
