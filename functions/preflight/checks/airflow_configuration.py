"""AirflowConfiguration: any option of Airflow's, except those on which the stack depends.

Unknown sections are refused because Airflow ignores them silently.
"""

import difflib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from shared.json_parameters import JsonParameterError, read_object

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
# Airflow reads a value from a command or from the secrets backend under these endings.
_ENDINGS = ("_cmd", "_secret")

_CREATED = "the stack creates this secret and passes it to the containers"
_DATABASE = "the stack passes the address of its own database"
_QUEUES = "the stack creates the queues and passes their addresses"
_DELIVERY = "a task of Airflow must survive the end of its worker and of an upgrade"
_BUNDLE = "DAGs come from the releases in the DAG bucket"
_LOGS = "logs of tasks go to the stack's log bucket"
_ADDRESS = "it follows from IngressMode and DomainName"
_PORT = "security groups and health checks expect this port"

_EXECUTOR = "the stack passes what its executors need"

# Options that the stack sets, with the reason why another value cannot work.
RESERVED_OPTIONS = {
    "api": {
        "base_url": _ADDRESS,
        "host": _PORT,
        "port": _PORT,
        "secret_key": _CREATED,
        "ssl_cert": "TLS ends at the load balancer",
        "ssl_key": "TLS ends at the load balancer",
    },
    "api_auth": {"jwt_secret": _CREATED},
    "aws_ecs_executor": {
        "assign_public_ip": _EXECUTOR,
        "capacity_provider_strategy": "a task chooses Spot in its executor_config",
        "cluster": _EXECUTOR,
        "conn_id": "the scheduler starts tasks with its own role",
        "container_name": _EXECUTOR,
        "launch_type": _EXECUTOR,
        "run_task_kwargs": _EXECUTOR,
        "security_groups": _EXECUTOR,
        "subnets": _EXECUTOR,
        "task_definition": _EXECUTOR,
    },
    "celery": {
        "broker_url": _QUEUES,
        "celery_config_options": "it contains the life cycle of the workers",
        "result_backend": _DATABASE,
        "sync_parallelism": "the scheduler wakes the workers from its own process",
        "task_acks_late": _DELIVERY,
        "worker_concurrency": "WorkerFleets sets it, with the memory that it needs (size)",
        "worker_enable_remote_control": "SQS does not support it",
        "worker_prefetch_multiplier": _DELIVERY,
    },
    "celery_broker_transport_options": {
        "predefined_queues": _QUEUES,
        "region": _QUEUES,
        "visibility_timeout": "it must be the queue's own",
    },
    "core": {
        "auth_manager": "the stack creates users and roles with this auth manager",
        "execution_api_server_url": _ADDRESS,
        "executor": "the parameter Executors names them",
        "fernet_key": f"{_CREATED} (FernetKeySecretArn restores one)",
        "hostname_callable": "a Fargate task has no name that others can resolve",
    },
    "dag_processor": {
        "dag_bundle_config_list": _BUNDLE,
        "dag_bundle_storage_path": _BUNDLE,
    },
    "database": {
        "external_db_managers": "the upgrade migrates the tables of these managers",
        "sql_alchemy_conn": _DATABASE,
        "sql_alchemy_conn_async": _DATABASE,
    },
    "fab": {
        "config_file": "it holds the key of sessions; put a webserver_config.py into AIRFLOW_HOME"
    },
    "logging": {
        "remote_base_log_folder": _LOGS,
        "remote_log_conn_id": _LOGS,
        "remote_logging": _LOGS,
        "trigger_log_server_port": _PORT,
        "worker_log_server_port": _PORT,
    },
    "operators": {"default_queue": "the workers of the default queue serve the queue 'default'"},
    "scheduler": {
        "enable_health_check": "the container's health check asks it",
        "scheduler_health_check_server_port": _PORT,
    },
}


def airflow_configuration_problems(text: str) -> Iterator[str]:
    """Everything that is wrong with AirflowConfiguration."""
    try:
        configuration = read_object("AirflowConfiguration", text)
    except JsonParameterError as error:
        yield str(error)
        return
    for section, options in configuration.items():
        where = f"AirflowConfiguration.{section}"
        if section not in known_sections():
            near = difflib.get_close_matches(section.lower(), known_sections(), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "remove it."
            yield f"AirflowConfiguration has the section {section!r}, which Airflow ignores: {hint}"
        elif not isinstance(options, dict):
            yield f'{where} is not a JSON object: write {{"<option>": <value>}}.'
        else:
            yield from _option_problems(section, where, options)


def _option_problems(section: str, where: str, options: dict[str, Any]) -> Iterator[str]:
    for option, value in options.items():
        if not _NAME.fullmatch(option):
            yield f"{where} has the option {option!r}: use letters, digits and underscores."
        elif reason := _reserved(section, option):
            yield f"{where}.{option} is set by the stack, because {reason}: remove it."
        elif not isinstance(value, str | int | float | bool):
            yield (
                f"{where}.{option} is {json.dumps(value)}: give a string, a number, true or false."
            )


def _reserved(section: str, option: str) -> str | None:
    reserved, name = RESERVED_OPTIONS.get(section, {}), option.lower()
    names = (name, *(name.removesuffix(ending) for ending in _ENDINGS))
    return next((reserved[each] for each in names if each in reserved), None)


@cache
def known_sections() -> frozenset[str]:
    """The sections of the locked Airflow and its providers (tests/support/airflow_sections.py)."""
    path = Path(__file__).with_name("airflow_sections.json")
    return frozenset(json.loads(path.read_text()))
