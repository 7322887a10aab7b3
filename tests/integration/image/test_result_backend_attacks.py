"""What a worker, which runs the users' code, can do with the result backend's URL.

The worker's side is its database user and a real Celery worker, the scheduler's side is the real
CeleryExecutor, with the settings of their containers.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from airflow_on_fargate import configuration
from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.database.roles import connected
from tests.integration.image.conftest import make_former_backend

SOURCE = Path(configuration.__file__).parents[1]
OTHERS = "11111111-1111-4111-8111-111111111111"

# The executor's sync, and how it adopts the tasks of another scheduler.
SCHEDULER = """
import sys
from celery.result import AsyncResult
from airflow.providers.celery.executors.celery_executor import CeleryExecutor

executor = CeleryExecutor()
ids = sys.argv[1:]
results = [AsyncResult(each, app=executor.celery_app) for each in ids]
for each, (state, _) in executor.bulk_state_fetcher.get_many(results).items():
    print("bulk", each, state)
for each in results:
    AsyncResult(each.id).result
    print("one", each.id, each.state, each.result)
"""

WORKER = """
import sys
from airflow_on_fargate.celery.config import CELERY_CONFIG
from celery import Celery

app = Celery("worker", config_source={**CELERY_CONFIG, "broker_url": "filesystem://",
    "broker_transport_options": {"data_folder_in": sys.argv[1], "data_folder_out": sys.argv[1],
                                 "control_folder": sys.argv[1] + "/control"}})

@app.task(name="one")
def one(what):
    if what == "fail":
        raise ValueError("a reason")
    if what == "kill":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    if len(sys.argv) > 2:
        for task_id, what in zip(sys.argv[2::2], sys.argv[3::2]):
            one.apply_async((what,), task_id=task_id)
    else:
        app.worker_main(["worker", "--concurrency", "2", "--without-gossip", "--without-mingle",
                         "--without-heartbeat", "--loglevel", "WARNING"])
"""


class Payload:
    """Code that runs when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"env > {self.marker}",)


class Containers:
    """The environments of the scheduler and of a worker."""

    def __init__(self, metadata: Any, results: Any, home: Path) -> None:
        self.results = results
        common = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "AIRFLOW_HOME": str(home)}
        url = "db+" + results.render_as_string(hide_password=False)
        self.worker = {**common, "COMPONENT": "worker", "AIRFLOW__CELERY__RESULT_BACKEND": url}
        self.scheduler = {
            **common,
            "COMPONENT": "scheduler",
            "AIRFLOW__CELERY__RESULT_BACKEND": url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.render_as_string(hide_password=False),
        }
        for environment in (self.worker, self.scheduler):
            configuration.apply(environment)

    def states(self, *ids: str) -> list[str]:
        """What the scheduler's executor sees."""
        done = subprocess.run(
            [sys.executable, "-c", SCHEDULER, *ids],
            env=self.scheduler, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if line.startswith(("bulk", "one"))]


@pytest.fixture
def containers(metadata: Any, airflow: Any, results: Any, tmp_path: Path) -> Containers:
    result_backend.ensure(metadata, results)
    return Containers(airflow, results, tmp_path)


def attempts(url: Any, statements: list[tuple[str, tuple[Any, ...]]]) -> list[str]:
    """What each statement comes to, for the worker's user."""
    outcomes = []
    for statement, values in statements:
        try:
            with connected(url) as connection:
                found = connection.exec_driver_sql(statement, values)
                outcomes.append(str(found.fetchall() if found.returns_rows else found.rowcount))
        except DBAPIError as error:
            outcomes.append(str(error.orig).splitlines()[0])
    return outcomes


def test_planted_pickle_does_not_run_in_the_scheduler(
    containers: Containers, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    bytes_ = pickle.dumps(Payload(marker))
    rows = [
        ("INSERT INTO {} (id, task_id, status, result) VALUES (900, %s, 'SUCCESS', %s)"),
        ("INSERT INTO {} (task_id, status, result) VALUES (%s, 'SUCCESS', %s)"),
        ("INSERT INTO {} (task_id, status, result) VALUES (%s, 'FAILURE', %s)"),
    ]
    tables = ("celery_taskmeta", "task_results", "task_states")
    attempts(
        containers.results, [(row.format(t), (OTHERS, bytes_)) for t in tables for row in rows]
    )

    containers.states(OTHERS)

    assert not marker.exists(), "code of the worker ran in the scheduler"


def test_pickle_of_a_worker_of_the_former_version_does_not_run_in_the_scheduler(
    containers: Containers, metadata: Any, tmp_path: Path
) -> None:
    make_former_backend(metadata, containers.results)
    marker = tmp_path / "ran"
    with connected(containers.results) as worker:
        worker.exec_driver_sql(
            "INSERT INTO celery_taskmeta (id, task_id, status, result) VALUES"
            " (nextval('task_id_sequence'), %s, 'FAILURE', %s)",
            (OTHERS, pickle.dumps(Payload(marker))),
        )
    result_backend.ensure(metadata, containers.results)
    # As after a rollback, this user had rights to the new table too.
    for table in ("task_results", "task_states"):
        (outcome,) = attempts(containers.results, [(f"SELECT * FROM {table}", ())])
        assert "permission denied" in outcome

    # The state counts, so that a task which an old worker has run frees its slot.
    assert containers.states(OTHERS)[0] == f"bulk {OTHERS} FAILURE"
    assert not marker.exists()


def test_results_of_other_tasks_can_neither_be_listed_nor_changed(containers: Containers) -> None:
    table = "task_results"
    insert = f"INSERT INTO {table} (task_id, status) VALUES (%s, %s)"
    outcomes = attempts(
        containers.results,
        [
            (insert, (OTHERS, "SUCCESS")),
            (f"{insert} ON CONFLICT (task_id) DO UPDATE SET status = 'FAILURE'", (OTHERS, "S")),
            (f"{insert} RETURNING date_done", ("another", "SUCCESS")),
            (
                f"INSERT INTO {table} (task_id, status, date_done) VALUES ('x', 'SUCCESS', now())",
                (),
            ),
            (insert, (OTHERS, "FAILURE")),
            (insert, ("another", "an unknown state")),
            (f"UPDATE {table} SET status = 'FAILURE'", ()),
            (f"DELETE FROM {table}", ()),
            (f"SELECT * FROM {table}", ()),
            ("SELECT * FROM task_states", ()),
            (f"TRUNCATE {table}", ()),
            (f"BEGIN; LOCK {table} IN ACCESS EXCLUSIVE MODE", ()),
        ],
    )

    assert outcomes[0] == "1"
    assert [each for each in outcomes[1:4] if "permission denied for table" not in each] == []
    assert "duplicate key" in outcomes[4]
    assert "violates check constraint" in outcomes[5]
    assert [each for each in outcomes[6:] if "permission denied" not in each] == []
    assert containers.states(OTHERS)[0] == f"bulk {OTHERS} SUCCESS"


def test_worker_cannot_lock_airflow_out_of_the_server(containers: Containers, airflow: Any) -> None:
    # Outside a rotation both users have the password in the URL.
    users = result_backend.USERS
    taken = [each for user in users for each in open_until_refused(containers.results, user)]

    others = [connected(airflow) for _ in range(40)]

    for connection in [*taken, *others]:
        connection.close()
    assert len(taken) == 2 * result_backend.MOST_CONNECTIONS


def open_until_refused(url: Any, user: str) -> list[Any]:
    found: list[Any] = []
    try:
        while len(found) < 100:
            found.append(connected(url.set(username=user)))
    except OperationalError:
        pass
    return found


@pytest.mark.parametrize("database", ["result_backend", "postgres", "template1", "airflow"])
def test_worker_cannot_create_temporary_tables(containers: Containers, database: str) -> None:
    url = containers.results.set(database=database)
    (outcome,) = attempts(url, [("CREATE TEMP TABLE filled AS SELECT 1", ())])
    assert "permission denied" in outcome


@pytest.fixture
def worker(containers: Containers, tmp_path: Path) -> Iterator[Any]:
    """A real worker with a broker in a folder; call it to run tasks."""
    program, folder = tmp_path / "worker.py", tmp_path / "queue"
    program.write_text(WORKER)
    (folder / "control").mkdir(parents=True)
    log = tmp_path / "worker.log"

    def run(*ids_and_kinds: str) -> list[str]:
        subprocess.run(
            [sys.executable, str(program), str(folder), *ids_and_kinds],
            env=containers.worker, check=True, capture_output=True,
        )  # fmt: skip
        ids = ids_and_kinds[::2]
        deadline = time.monotonic() + 300
        while True:
            states = [line for line in containers.states(*ids) if line.startswith("bulk")]
            if not any("PENDING" in line for line in states):
                return sorted(states)
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)

    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(program), str(folder)],
            env=containers.worker, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    yield run
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


def test_scheduler_sees_the_end_states_that_a_worker_reports(worker: Any) -> None:
    assert worker("id-1", "succeed", "id-2", "fail", "id-3", "kill") == [
        "bulk id-1 SUCCESS",
        "bulk id-2 FAILURE",
        # Its process ended before it could report anything to the execution API.
        "bulk id-3 FAILURE",
    ]
