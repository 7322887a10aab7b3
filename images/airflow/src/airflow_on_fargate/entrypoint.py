"""What every container of this image runs: settings, the wait for the schema, then Airflow.

The container's command is a list of Airflow CLI arguments (`["scheduler"]`, `["db", "migrate"]`) or
one of this package's own commands (`["ensure-admin-user"]`; see OWN_COMMANDS).
"""

import importlib
import os
import sys

from airflow_on_fargate import configuration, heartbeat
from airflow_on_fargate.contracts import airflow_cli, names
from airflow_on_fargate.database import tls, turn
from airflow_on_fargate.executors import workloads
from airflow_on_fargate.rotation import token_keys

# These use the metadata database and exit when its schema is not the one they need. They wait
# instead, so that an upgrade and its rollback work in whatever order the services start.
WAIT_FOR_SCHEMA = frozenset({"api-server", "scheduler", "dag-processor", "triggerer"})

# Command -> the function of this package that runs it, with the other arguments.
OWN_COMMANDS = {
    airflow_cli.CLEAN_DATABASE: "database.cleaning:main",
    airflow_cli.ENSURE_ADMIN_USER: "users.admin:main",
    airflow_cli.ENSURE_DATABASE_USERS: "database.users:main",
    airflow_cli.ENSURE_RESULT_BACKEND: "celery.result_backend:main",
    airflow_cli.REQUEUE_TASKS: "celery.requeue:main",
    airflow_cli.RESTORE_SCHEMA: "schema.change:restore",
    airflow_cli.ROTATE_SECRET: "rotation.command:main",
    airflow_cli.UPGRADE_SCHEMA: "schema.change:upgrade",
    airflow_cli.WORKER_HOURS: "database.worker_hours:main",
}
# The same for what the ECS executor starts; nobody runs it as a command of their own.
WORKLOAD_COMMANDS = {workloads.COMMAND: "executors.run_workload:main"}


def main(arguments: list[str]) -> None:
    """Replace this process with Airflow, or run an own command and exit."""
    if not arguments:
        sys.exit("Give the arguments of an Airflow command, for example: scheduler")
    try:
        configuration.apply()
    except configuration.ConfigurationError as error:
        sys.exit(str(error))
    token_keys.apply()
    tls.apply(os.environ)
    command = arguments[0]
    if own := {**OWN_COMMANDS, **WORKLOAD_COMMANDS}.get(command):
        module, _, function = own.partition(":")
        run = getattr(importlib.import_module(f"airflow_on_fargate.{module}"), function)
        sys.exit(run(*arguments[1:]))
    if turn.is_for(arguments):
        sys.exit(turn.run(arguments))
    component = component_of(arguments)
    # What an earlier process left is not a sign that this one is alive.
    heartbeat.clear(component)
    heartbeat.clear(heartbeat.waiting_for_schema(component))
    if command in WAIT_FOR_SCHEMA:
        from airflow_on_fargate.schema import readiness

        readiness.wait(component)
    sys.stdout.flush()
    # exec: Airflow gets this process id, and with it ECS's SIGTERM; the memory that the wait used
    # is released.
    os.execv(sys.executable, [sys.executable, "-m", *airflow_command(arguments)])  # noqa: S606


def component_of(arguments: list[str]) -> str:
    """The component that an Airflow command starts, or the command's first word."""
    is_of_celery = arguments[:2] in (["celery", names.WORKER], ["celery", names.FLOWER])
    return arguments[1] if is_of_celery else arguments[0]


def airflow_command(arguments: list[str]) -> list[str]:
    """The module to run and its arguments."""
    component = component_of(arguments)
    if component == names.FLOWER:
        return ["airflow_on_fargate.flower", *arguments]
    has_valkey = configuration.is_valkey(os.environ.get(configuration.BROKER_URL, ""))
    if component == names.WORKER and has_valkey:
        # Workers need not know each other. With SQS they cannot; here each start would wait for the
        # others' answers, and each worker would get the heartbeats of all.
        arguments = [*arguments, "--without-mingle", "--without-gossip"]
    if component in {"api-server", "scheduler"} | heartbeat.COMPONENTS:
        return ["airflow_on_fargate.component", *arguments]
    return ["airflow", *arguments]


if __name__ == "__main__":
    main(sys.argv[1:])
