"""The container's health check: `python -m airflow_on_fargate.health <component>`.

ECS runs it every few seconds in each container, on as little as a quarter of a CPU. So it uses the
standard library only and never imports Airflow (`airflow jobs check` takes four seconds).

- api-server: an HTTP request to the API's version.
- flower: an HTTP request to its own health check, which asks for no password.
- scheduler: an HTTP request to port 8974, where Airflow compares its own heartbeat in the database.
- dag-processor, triggerer, worker: the age of a file that their main loop touches (see
  `heartbeat`). A process that hangs still exists, but its loop does not run.

A component that waits for the database schema is healthy: replacing it would not help, and would
turn a slow migration into a failed deployment.
"""

import os
import sys
import urllib.request
from urllib.parse import urlsplit

from airflow_on_fargate import configuration, heartbeat

HTTP_TIMEOUT_SECONDS = 4.0
# Heartbeats come every five seconds; a DAG release of ten thousand files blocks the loop for half a
# minute.
MAX_HEARTBEAT_AGE_SECONDS = 120.0
# The wait for the schema gives a heartbeat every few seconds.
MAX_WAIT_AGE_SECONDS = 60.0
ANY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104


class UnhealthyError(Exception):
    """The component does not work; the text says how that was noticed."""


def check(component: str, environment: dict[str, str]) -> str:
    """Return in a few words why `component` is healthy, or raise UnhealthyError."""
    home = environment["AIRFLOW_HOME"]
    waiting = heartbeat.age(heartbeat.waiting_for_schema(component), home)
    if waiting is not None and waiting <= MAX_WAIT_AGE_SECONDS:
        return "waiting for the database schema"
    if component == "api-server":
        return _answers(_api_server_url(environment))
    if component == "scheduler":
        return _answers(_scheduler_url(environment))
    if component == "flower":
        return _answers(_flower_url(environment))
    if component in heartbeat.COMPONENTS:
        return _beats(component, home)
    raise UnhealthyError(f"there is no health check for the component {component!r}")


def _api_server_url(environment: dict[str, str]) -> str:
    path = urlsplit(environment.get("AIRFLOW__API__BASE_URL", "")).path.rstrip("/")
    port = environment.get("AIRFLOW__API__PORT", "8080")
    return f"http://{_host(environment, 'AIRFLOW__API__HOST')}:{port}{path}/api/v2/version"


def _scheduler_url(environment: dict[str, str]) -> str:
    host = _host(environment, "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST")
    port = environment.get("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT", "8974")
    return f"http://{host}:{port}/health"


def _flower_url(environment: dict[str, str]) -> str:
    host = _host(environment, "AIRFLOW__CELERY__FLOWER_HOST")
    port = environment.get("AIRFLOW__CELERY__FLOWER_PORT", configuration.FLOWER_PORT)
    return f"http://{host}:{port}{configuration.FLOWER_PATH}/healthcheck"


def _host(environment: dict[str, str], variable: str) -> str:
    host = environment.get(variable, "")
    return "127.0.0.1" if host in ANY_ADDRESS else host


def _answers(url: str) -> str:
    # No proxy: the address is this container's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=HTTP_TIMEOUT_SECONDS) as response:
            return f"{url} answered {response.status}"
    except OSError as error:
        raise UnhealthyError(f"{url}: {error}") from error


def _beats(component: str, home: str) -> str:
    age = heartbeat.age(component, home)
    if age is None:
        raise UnhealthyError(f"{component} has not started its loop yet")
    if age > MAX_HEARTBEAT_AGE_SECONDS:
        raise UnhealthyError(f"the loop of {component} last ran {age:.0f} s ago")
    return f"the loop of {component} ran {age:.0f} s ago"


def main(arguments: list[str]) -> int:
    """Print one line and return the exit code that ECS reads."""
    environment = dict(os.environ)
    component = arguments[0] if arguments else environment.get("COMPONENT", "")
    try:
        configuration.apply(environment)
        print(check(component, environment))
    except (UnhealthyError, configuration.ConfigurationError) as error:
        print(f"unhealthy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
