"""A small client of Airflow's REST API (v2), without anything that other clients could not use."""

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from commands.workspace import CommandError

# A busy machine needs long for what takes milliseconds otherwise.
SECONDS = 120
HEALTH_SECONDS = 30
# Of reads, and of the sign-in, which can be repeated; never of a run's start.
RETRIES = 5


class AirflowApi:
    """A client that signs in once.

    Args:
        base_url: the address of the UI, without a trailing slash.
        username: the admin user's name.
        password: its password.
        ca_file: the certificate authority to trust for an https URL; None: the machine's own.
    """

    def __init__(
        self, base_url: str, username: str, password: str, ca_file: Path | None = None
    ) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        # REQUESTS_CA_BUNDLE would replace the session's authority.
        self.session.trust_env = ca_file is None
        self.session.verify = _verify(ca_file)
        for address, methods in ((base_url, ["GET"]), (f"{base_url}/auth/token", ["POST"])):
            self.session.mount(address, _patient(methods))
        answer = self.session.post(
            f"{base_url}/auth/token",
            json={"username": username, "password": password},
            timeout=SECONDS,
        )
        if answer.status_code != 201:
            raise CommandError(
                f"Airflow rejected the sign-in of {username}: HTTP {answer.status_code}."
            )
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, **parameters: str | int) -> Any:
        """GET a path of /api/v2 and return its JSON."""
        answer = self.session.get(
            f"{self.base_url}/api/v2/{path}",
            params=parameters,
            headers={"Accept": "application/json"},
            timeout=SECONDS,
        )
        answer.raise_for_status()
        return answer.json()

    def dags(self) -> dict[str, dict[str, Any]]:
        """The registered DAGs, by id."""
        return {dag["dag_id"]: dag for dag in self.get("dags", limit=100)["dags"]}

    def import_errors(self) -> list[dict[str, Any]]:
        """The import errors, by file."""
        errors: list[dict[str, Any]] = self.get("importErrors")["import_errors"]
        return errors

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Unpause a DAG and start a run of it; returns the run's id."""
        url = f"{self.base_url}/api/v2/dags/{dag_id}"
        self.session.patch(url, json={"is_paused": False}, timeout=SECONDS).raise_for_status()
        run = {"logical_date": None, "conf": conf or {}}
        answer = self.session.post(f"{url}/dagRuns", json=run, timeout=SECONDS)
        answer.raise_for_status()
        return str(answer.json()["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """A DAG run: its state, its bundle version."""
        found: dict[str, Any] = self.get(f"dags/{dag_id}/dagRuns/{run_id}")
        return found

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Every task instance of a run, mapped ones included."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        instances: list[dict[str, Any]] = self.get(path, limit=200)["task_instances"]
        return instances

    def log(self, instance: dict[str, Any]) -> str:
        """The log of a task instance's last try, as text."""
        path = (
            f"dags/{instance['dag_id']}/dagRuns/{instance['dag_run_id']}"
            f"/taskInstances/{instance['task_id']}/logs/{instance['try_number']}"
        )
        content = self.get(path, map_index=instance["map_index"])["content"]
        return "\n".join(str(line) for line in content)


def _verify(ca_file: Path | None) -> str | bool:
    return str(ca_file) if ca_file is not None else True


def _patient(methods: list[str]) -> HTTPAdapter:
    """Repeats these requests when there is no answer, or one of a server that is starting."""
    return HTTPAdapter(
        max_retries=Retry(
            RETRIES, backoff_factor=0.5, status_forcelist=(502, 503, 504),
            allowed_methods=methods, raise_on_status=False,
        )
    )  # fmt: skip


def health(base_url: str, ca_file: Path | None = None) -> dict[str, str]:
    """Each component's status as reported by the API server; empty while it does not answer.

    The HTTP status is 200 even when a component is unhealthy; only the JSON shows it.
    """
    try:
        answer = requests.get(
            f"{base_url}/api/v2/monitor/health", timeout=HEALTH_SECONDS, verify=_verify(ca_file)
        )
        answer.raise_for_status()
        return {name: part["status"] for name, part in answer.json().items() if part["status"]}
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return {}
