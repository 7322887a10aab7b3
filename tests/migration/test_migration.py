"""A deployment of the former version becomes one of this version, in one update.

The former version has one user of the database, whose password every component has, one key for
sessions and log requests, and workers that read and change Celery's results. The tests share one
stack, in their order: what migrates has survived an update that failed.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from waiting import PATIENCE_SECONDS

from commands import airflow_image, smoke
from commands.airflow_image import CURRENT, Edition
from commands.steps import wait_until
from tests.migration.conftest import Deployment
from tests.upgrade.conftest import BROKEN_SCHEDULER

COMPONENTS = {"api-server", "scheduler", "dag-processor", "triggerer"}
# Two restarts of every service.
ROTATION_SECONDS = 1200.0
VARIABLE = {"key": "before_the_update", "value": "still readable"}


@dataclass
class Browser:
    """What a user's browser has after signing in with the form."""

    url: str
    session: str
    token: str

    def is_signed_in(self) -> bool:
        """Whether the session alone signs in: then the form redirects to Airflow."""
        answer = requests.get(
            f"{self.url}/auth/login/", cookies={"session": self.session},
            allow_redirects=False, timeout=60,
        )  # fmt: skip
        assert answer.status_code in (200, 302), answer.text
        return answer.status_code == 302

    def has_valid_token(self) -> bool:
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = requests.get(f"{self.url}/api/v2/dags", headers=headers, timeout=60)
        assert answer.status_code in (200, 401, 403), answer.text
        return answer.status_code == 200


@dataclass
class Gated:
    """A run of one task that ends when its gate is opened."""

    stack: Deployment
    dag_id: str
    gate: Path
    run_id: str = ""

    def start(self) -> "Gated":
        self.run_id = self.stack.start(self.dag_id, {"gate": str(self.gate)})
        return self

    def wait(self, state: str) -> None:
        self.stack.wait_for_task(self.dag_id, self.run_id, state, PATIENCE_SECONDS)

    def instance(self) -> dict[str, Any]:
        (only,) = self.stack.api().task_instances(self.dag_id, self.run_id)
        return only

    def open(self) -> None:
        self.gate.touch()

    def assert_succeeded_at_first_try(self) -> None:
        self.wait("success")
        instance = self.instance()
        assert instance["try_number"] == 1, self.stack.api().log(instance)


@pytest.fixture(scope="module")
def browser(stack: Deployment) -> Browser:
    """Signed in while the former version serves."""
    url, session = stack.outputs["AirflowUrl"], requests.Session()
    page = session.get(f"{url}/auth/login/", timeout=60).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token, page
    password = stack.secret(stack.outputs["AdminPasswordSecretArn"])
    form = {
        "csrf_token": token[1],
        "username": stack.outputs["AdminUsername"],
        "password": password,
    }
    session.post(
        f"{url}/auth/login/", data=form, headers={"Referer": f"{url}/auth/login/"}, timeout=60,
        allow_redirects=False,
    )  # fmt: skip
    signed_in = stack.api().session.headers["Authorization"]
    return Browser(url, session.cookies["session"], str(signed_in).removeprefix("Bearer "))


@pytest.fixture(scope="module")
def survivor(stack: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Gated:
    """A task that the former version started, and that runs through everything."""
    task = Gated(stack, "gated", tmp_path_factory.mktemp("gates") / "survivor").start()
    task.wait("running")
    return task


def connected_users(stack: Deployment) -> dict[str, set[str]]:
    """Component → its users of the database, when each component had a connection."""
    seen: dict[str, set[str]] = {}

    def complete() -> bool:
        for component, users in stack.users_of_components().items():
            seen.setdefault(component, set()).update(users)
        return seen.keys() >= COMPONENTS

    wait_until(complete, PATIENCE_SECONDS, "a connection of each component", now=lambda: str(seen))
    return {component: users for component, users in seen.items() if component in COMPONENTS}


def test_former_version_serves_with_the_master_user(stack: Deployment, browser: Browser) -> None:
    api = stack.api()
    url = f"{api.base_url}/api/v2/variables"
    assert api.session.post(url, json=VARIABLE, timeout=60).status_code == 201
    stack.run("smoke_classic")

    assert connected_users(stack) == {component: {"airflow"} for component in COMPONENTS}
    password = stack.master_password()
    with_it = {
        component
        for component, secrets in stack.secrets_of_components().items()
        if any(password in value for value in secrets.values())
    }
    assert with_it == {*COMPONENTS, "command"}
    assert browser.is_signed_in()
    assert browser.has_valid_token()


def test_former_version_serves_when_the_update_fails(
    stack: Deployment, former: Edition, browser: Browser, survivor: Gated
) -> None:
    begun = time.monotonic()
    reasons = stack.fail_to_deploy(Edition("airflow", CURRENT.lock, BROKEN_SCHEDULER))
    print(f"the failed update was rolled back in {time.monotonic() - begun:.0f} s")

    assert "ControlPlaneService: " in reasons
    assert "Circuit Breaker" in reasons
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    smoke.wait_healthy(stack.outputs)
    assert stack.serves()
    assert stack.images() == {airflow_image.uri(former)}
    assert connected_users(stack) == {component: {"airflow"} for component in COMPONENTS}
    assert browser.is_signed_in()
    survivor.wait("running")
    stack.run("smoke_classic")


def test_tasks_succeed_at_their_first_try_during_the_update(
    stack: Deployment, survivor: Gated, tmp_path: Path
) -> None:
    survivor.wait("running")
    old_workers = stack.workers()
    assert len(old_workers) >= 1
    assert len(set(old_workers.values())) == 1
    # Of another queue, so that a worker is started for it while the update runs.
    queued = Gated(stack, "gated_heavy", tmp_path / "queued")

    begun = time.monotonic()
    seen = {each["EventId"] for each in stack.events()}
    update = _Background(lambda: stack.deploy(CURRENT))

    def database_is_updated() -> bool:
        update.raise_error()
        return any(
            each["LogicalResourceId"] == "DatabaseStack"
            and each["ResourceStatus"] == "UPDATE_COMPLETE"
            and each["EventId"] not in seen
            for each in stack.events()
        )

    wait_until(database_is_updated, PATIENCE_SECONDS * 3, "the database's update", interval=0.5)
    queued.start()
    update.wait()
    print(f"updated in {time.monotonic() - begun:.0f} s")

    smoke.wait_healthy(stack.outputs)
    assert stack.serves()
    assert stack.images() == {airflow_image.uri(CURRENT)}
    survivor.wait("running")
    # The worker of the former version answers the API server of this one.
    assert "waiting for survivor" in stack.api().log(survivor.instance())
    queued.wait("running")
    for task in (survivor, queued):
        task.open()
    survivor.assert_succeeded_at_first_try()
    queued.assert_succeeded_at_first_try()

    # The old workers take nothing new, and exit without an error.
    ecs, cluster = stack.workspace.client("ecs"), stack.outputs["ClusterName"]

    def exit_codes() -> list[int] | None:
        tasks = ecs.describe_tasks(cluster=cluster, tasks=list(old_workers))["tasks"]
        if any(each["lastStatus"] != "STOPPED" for each in tasks):
            return None
        return [each["containers"][0]["exitCode"] for each in tasks]

    codes = wait_until(exit_codes, PATIENCE_SECONDS, "the end of the former version's workers")
    assert set(codes) == {0}  # type: ignore[call-overload]


def test_new_run_succeeds_on_a_worker_of_this_version(stack: Deployment, tmp_path: Path) -> None:
    task = Gated(stack, "gated", tmp_path / "new").start()
    task.wait("running")
    assert stack.task_definition("worker")["taskDefinitionArn"] in stack.workers().values()
    task.open()
    task.assert_succeeded_at_first_try()
    stack.run("smoke_classic")
    stack.run("smoke_secrets")
    assert stack.api().get("variables/before_the_update")["value"] == VARIABLE["value"]


def test_components_use_their_own_user_after_the_update(stack: Deployment) -> None:
    assert connected_users(stack) == {component: {"airflow_app"} for component in COMPONENTS}
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert stack.ask(owners) == [["airflow_owner"]]


def test_no_component_has_the_master_password_after_the_update(stack: Deployment) -> None:
    secrets = stack.secrets_of_components()
    password = stack.master_password()
    assert secrets.keys() == {*COMPONENTS, "worker", "command"}
    assert [
        (component, variable)
        for component, values in secrets.items()
        for variable, value in values.items()
        if password in value
    ] == []


def test_sessions_end_and_tokens_stay_valid_with_the_update(
    stack: Deployment, browser: Browser
) -> None:
    assert not browser.is_signed_in()
    assert browser.has_valid_token()
    keys = stack.secrets_of_components()["api-server"]
    assert keys["FLASK_SECRET_KEY"] != keys["AIRFLOW__API__SECRET_KEY"]
    # Signing in again works, with the password from before.
    assert stack.api().dags()


def test_second_update_changes_nothing(stack: Deployment) -> None:
    def state() -> str:
        """All that an update would change: events, services, tasks."""
        services = {
            name: (each["taskDefinition"], [one["id"] for one in each["deployments"]])
            for name, each in stack.services().items()
        }
        return json.dumps([services, [each["EventId"] for each in stack.events()]])

    before = state()
    stack.deploy(CURRENT)
    assert state() == before


def test_rotation_removes_what_workers_of_the_former_version_used(stack: Deployment) -> None:
    tables = "SELECT tablename FROM pg_tables WHERE starts_with(tablename, 'celery_')"
    limits = "SELECT DISTINCT rolconnlimit FROM pg_roles WHERE starts_with(rolname, 'result_')"
    assert ["celery_taskmeta"] in stack.ask(tables, "result_backend")
    assert stack.ask(limits) == [[-1]]

    stack.command("rotate-secret", "result-backend-password", seconds=ROTATION_SECONDS)

    assert stack.ask(tables, "result_backend") == []
    assert stack.ask(limits) == [[10]]
    smoke.wait_healthy(stack.outputs)
    stack.run("smoke_classic")


class _Background:
    """A call in a thread."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            self._error = error

    def raise_error(self) -> None:
        if self._error:
            raise self._error

    def wait(self) -> None:
        self._thread.join()
        self.raise_error()
