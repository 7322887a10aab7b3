"""Let a worker of an isolated queue run only the DAG files of its queue.

Not a correction: Airflow has no such rule. A DAG may name any queue. Without this patch, a person
who may write any DAG file could send code to `team-a`, where it runs with the role and the secrets
of `team-a`. With it, that worker runs a task only if its DAG file lies in the folder `team-a/`.

The supervisor decides, from the same path with which the task's process then loads the file. It
decides before that process exists, so no code of the file runs. The task fails without a retry, and
its own log says why. What the database says about a DAG does not matter: a DAG that is not in
the named file is not found there.

A callback or the test of a connection names no file whose place could be checked: the callback of
a deadline is an import path. Such a worker refuses both.
"""

import importlib
import logging
import os
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from airflow_on_fargate.configuration import DAG_BUNDLE_NAME
from airflow_on_fargate.contracts.queues import lies_in_folder_of
from airflow_on_fargate.contracts.worker_settings import SECRETS_OF_QUEUE
from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

# What a worker runs besides tasks: the module, and the function that starts it.
_OTHERS: Final = {
    "callback_supervisor": "supervise_callback",
    "connection_test_supervisor": "supervise_connection_test",
}


class RefusedWorkloadError(Exception):
    """A worker of an isolated queue does not run this; Celery reports the failure."""


def apply() -> None:
    """Check each task before it starts, if this worker serves an isolated queue."""
    require("apache-airflow-task-sdk", "1.3.2", "1.2.2")
    from airflow.sdk.execution_time import supervisor

    replacements = [(supervisor, "supervise_task", _checking_the_file)]
    if version("apache-airflow-task-sdk") == "1.2.2":
        # Airflow 3.2, from which an upgrade may start: its workers run tasks only.
        replacements = [(supervisor, "supervise", _checking_the_file)]
    else:
        for module, name in _OTHERS.items():
            owner = importlib.import_module(f"airflow.sdk.execution_time.{module}")
            replacements.append((owner, name, _refusing))
    for owner, name, make in replacements:
        # Also in a worker of a shared queue, and when the image is built: is it there?
        getattr(owner, name)
        if _own_queue():
            replace(owner, name, make)


def _own_queue() -> str:
    return os.environ.get(SECRETS_OF_QUEUE, "")


def reason_to_refuse(queue: str, bundle: str, path: str) -> str | None:
    """Why a worker of this isolated queue does not run a task of this DAG file, if it does not."""
    if bundle == DAG_BUNDLE_NAME and lies_in_folder_of(queue, path):
        return None
    return (
        f"The queue {queue!r} is isolated: its workers run only the DAG files in the folder "
        f"{queue}/ of the DAG bucket, and this task's DAG file is {path!r}. Move the file to "
        f"{queue}/, or use another queue. The task fails without a retry."
    )


def _checking_the_file(original: Any) -> Any:
    def supervise_task(**named: Any) -> Any:
        path = os.fspath(named["dag_rel_path"])
        reason = reason_to_refuse(_own_queue(), named["bundle_info"].name, path)
        return _fail(reason, **named) if reason else original(**named)

    return supervise_task


def _refusing(original: Any) -> Any:
    def refuse(**named: Any) -> Any:
        raise RefusedWorkloadError(
            f"The queue {_own_queue()!r} is isolated: its workers run tasks only, no callbacks and "
            "no tests of connections. Use another queue."
        )

    return refuse


def _fail(reason: str, **named: Any) -> int:
    """Report the task as failed, as its supervisor would; returns the exit code."""
    from airflow.sdk import TaskInstanceState
    from airflow.sdk.api.client import Client

    ti, given = named["ti"], named.get("client")
    log.error("Task %s of DAG %s is refused. %s", ti.task_id, ti.dag_id, reason)
    with (
        nullcontext(given)
        if given
        else closing(Client(base_url=named.get("server") or "", token=named["token"]))
    ) as client:
        # Raises if the task runs elsewhere already: then this is a second delivery of its message.
        client.task_instances.start(ti.id, os.getpid(), datetime.now(UTC))
        try:
            client.task_instances.finish(
                id=ti.id,
                state=TaskInstanceState.FAILED,
                when=datetime.now(UTC),
                rendered_map_index=None,
            )
        finally:
            if named.get("log_path"):
                _write(reason, named["log_path"], ti, client)
    return 1


def _write(reason: str, log_path: str, ti: Any, client: Any) -> None:
    """Write the reason into the task's log."""
    from airflow.sdk.execution_time import supervisor
    from airflow.sdk.log import upload_to_remote

    try:
        logger, file = supervisor._configure_logging(log_path, client)
        with file:
            logger.error(reason)
            file.flush()
            with supervisor._remote_logging_conn(client):
                upload_to_remote(logger, ti)
    except Exception as error:
        log.warning("The task log %s could not be written: %s", log_path, error)
