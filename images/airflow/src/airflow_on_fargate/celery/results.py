"""Celery's result backend: workers append the end states of their tasks, and nothing is decoded.

The executor needs the states (`CeleryExecutor.sync`): an end state frees the task's slot in
`executor.running`, and fails a task whose worker ended before it could report to the execution API.
It reads nothing else: no return value, no traceback, not the state STARTED.

Celery's own backend keeps return values as pickles (`PickleType`), which `accept_content` does not
cover, and lets workers read and change every row. A worker runs the users' code: with one row it
ran code in the scheduler. So here

- a row is a task's id and a state from a fixed list; there is no column to decode;
- workers may insert rows, and neither read, change nor delete them (`result_backend` grants that).
  The first state of a task counts. Ids are random, so a worker can report only tasks that it got;
- the scheduler reads with Airflow's own user of the metadata database.
"""

import logging
import random
import time
from collections.abc import Mapping
from typing import Any, Final

from celery import states
from celery.backends.database import DatabaseBackend, session_cleanup
from sqlalchemy import Column, String, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import declarative_base

log = logging.getLogger(__name__)

DATABASE: Final = "result_backend"
# What `result_backend` creates: the table that workers append to, and what the scheduler reads.
TABLE: Final = "task_results"
VIEW: Final = "task_states"
# The end states, which the table's constraint names too.
END_STATES: Final = ("SUCCESS", "FAILURE", "REVOKED")
# The workers' user may open few connections at a time, so a worker may have to wait for one.
ATTEMPTS: Final = 10
LONGEST_PAUSE_SECONDS: Final = 5.0
_PREFIX: Final = "db+"
_CLASS: Final = f"{__name__}:ResultBackend"

_Base: Any = declarative_base()


class TaskState(_Base):
    """One task's end state, as the scheduler reads it."""

    __tablename__ = VIEW

    task_id = Column(String(155), primary_key=True)
    status = Column(String(20))

    def to_dict(self) -> dict[str, Any]:
        """As Celery describes a task, without what is not stored."""
        return _described(str(self.task_id), str(self.status))

    @classmethod
    def configure(cls, **_: Any) -> None:
        """Celery's setting of other table names, which is not used here."""


class ResultBackend(DatabaseBackend):
    """A DatabaseBackend, so that the executor reads many states with one query."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.task_cls = TaskState
        # Otherwise each process looks for Celery's tables and creates them.
        self.session_manager.prepared = True

    def _store_result(self, task_id: str, _result: Any, state: str, *_: Any, **__: Any) -> None:
        if state not in END_STATES:
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._append(task_id, state)
                return
            except OperationalError as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("The state of a task could not be stored, next attempt: %s", error.orig)
                # At random, because many workers may wait for the same connections.
                longest = min(LONGEST_PAUSE_SECONDS, 0.1 * 2**attempt)
                time.sleep(random.uniform(0.5, 1) * longest)  # noqa: S311

    def _append(self, task_id: str, state: str) -> None:
        # Without a conflict target, which would need the right to read.
        statement = text(
            f"INSERT INTO {TABLE} (task_id, status) VALUES (:task_id, :status)"  # noqa: S608
            " ON CONFLICT DO NOTHING"
        )
        session = self.ResultSession()
        with session_cleanup(session):
            session.execute(statement, {"task_id": task_id, "status": state})
            session.commit()

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        session = self.ResultSession()
        with session_cleanup(session):
            state = session.scalar(select(TaskState.status).where(TaskState.task_id == task_id))
        return _described(task_id, state or states.PENDING)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("only the end states of tasks are stored")

    _save_group = _restore_group = _delete_group = _forget = cleanup = _refuse


def url_for(environment: Mapping[str, str]) -> str | None:
    """[celery] result_backend for a component, or None to keep Airflow's.

    A component that has the metadata database reads with that user; a worker has only the result
    backend's URL.
    """
    given = environment.get("AIRFLOW__CELERY__RESULT_BACKEND", "").removeprefix(_PREFIX)
    if metadata := environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        from sqlalchemy.engine import make_url

        given = make_url(metadata).set(database=DATABASE).render_as_string(hide_password=False)
    return f"{_CLASS}+{given}" if given.startswith("postgresql") else None


def _described(task_id: str, state: str) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "status": state,
        "result": None,
        "traceback": None,
        "children": None,
        "date_done": None,
    }
