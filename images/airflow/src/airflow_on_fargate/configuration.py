"""The settings that this image gives Airflow, and what wins over them.

Three sources, the strongest first:

1. variables of the task definition, among them the secrets that ECS injects;
2. AIRFLOW_CONFIGURATION: JSON with options of Airflow, such as `{"core": {"parallelism": 64}}`;
3. the image: DEFAULTS, each with its reason, and what is derived from the names of the stack's
   resources (`settings_for`).

The entrypoint puts the result into the environment. Standard library and shared names only: the
health check imports this module too.
"""

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from airflow_on_fargate.contracts import (
    airflow_configuration,
    drain_orders,
    forecast,
    names,
    worker_settings,
)
from airflow_on_fargate.contracts.queues import (
    DEFAULT_QUEUE,
    further_queues,
    queue_url,
    secrets_prefix,
)

DEFAULT_AIRFLOW_HOME: Final = "/opt/airflow"
DAG_BUNDLE_NAME: Final = "releases"
# The load balancer forwards this path; its group may open connections to this port.
FLOWER_PATH: Final = "/flower"
FLOWER_PORT: Final = 8080
BROKER_URL: Final = "AIRFLOW__CELERY__BROKER_URL"
FLASK_CONFIG: Final = Path(__file__).parent / "api_server" / "webserver_config.py"
# One request each time. With 5 s, one release in twenty would take longer than 5 s to be seen.
DAG_BUNDLE_REFRESH_SECONDS: Final = 3

DEFAULTS: Final[Mapping[str, str]] = {
    # --- core ---
    # Tasks run on the worker fleet, never beside the scheduler.
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    # Users, roles and passwords in the metadata database.
    "AIRFLOW__CORE__AUTH_MANAGER": (
        "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    ),
    # A Fargate task has no resolvable host name: the API server reads live logs by address.
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "airflow.utils.net.get_host_ip_address",
    # Only the DAG bucket decides which DAGs exist.
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # With the default of 30 s, two releases in a row gave runs with new code and old structure.
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    # The default of 32 per scheduler would limit the fleet; WorkerMaxCount is its limit.
    "AIRFLOW__CORE__PARALLELISM": "1024",
    # images/airflow/user/plugins. Airflow's own place, $AIRFLOW_HOME/plugins, is in a volume.
    "AIRFLOW__CORE__PLUGINS_FOLDER": "/opt/airflow-user/plugins",
    # --- dag-processor ---
    # How often it checks whether a refresh is due. With the default of 5 s, a refresh that is due
    # just after a check waits for another 5 s.
    "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
    # --- database ---
    # `airflow db migrate` then migrates FAB's tables too.
    "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": (
        "airflow.providers.fab.auth_manager.models.db.FABDBManager"
    ),
    # --- an upgrade's pause: running tasks must survive ten minutes without an API server ---
    # Tokens are renewed only near their end; one of 600 s would expire during the pause.
    "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": "7200",
    # About ten minutes of attempts; the default of five is over within seconds.
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "20",
    # The default of 3 ends a task after some 20 s without an API server.
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "60",
    # Longer than the attempts above; otherwise the scheduler fails a task that still retries.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "900",
    # --- scheduler ---
    # Answers the container's health check on port 8974.
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "True",
    # A fleet that starts at zero or is at its maximum can keep tasks queued for more than 600 s.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "3600",
    # --- api-server ---
    # The secret differs between stacks, so one issuer for all of them is enough.
    "AIRFLOW__API_AUTH__JWT_ISSUER": "airflow-on-fargate",
    # The description of the API, /docs and /openapi.json, is public where this is on.
    "AIRFLOW__API__ENABLE_SWAGGER_UI": "False",
    # api_server.load_balancer leaves one address in X-Forwarded-For. Airflow's own default.
    "AIRFLOW__FAB__PROXY_FIX_X_FOR": "1",
    "AIRFLOW__FAB__ENABLE_PROXY_FIX": "True",
    # An ALB sends neither header, so a browser could set them.
    "AIRFLOW__FAB__PROXY_FIX_X_HOST": "0",
    "AIRFLOW__FAB__PROXY_FIX_X_PREFIX": "0",
    # The load balancer closes an idle connection after 120 s. The server must keep it longer:
    # closing first, as its default of 120 s may, gives users an occasional 502.
    "AIRFLOW__API__WORKER_TIMEOUT": "130",
    # Lines of a task's log that are held before they are sent: with the default of 500, very long
    # ones would take hundreds of MiB.
    "AIRFLOW__API__LOG_STREAM_BUFFER_SIZE": "50",
    # --- worker ---
    # Short, because another worker costs a start only; the scaler overrides it where workers wait
    # longer.
    "WORKER_IDLE_TIMEOUT_SECONDS": "20",
    # --- celery ---
    # The queue's URL comes from the task definition, credentials from the task role.
    "AIRFLOW__CELERY__BROKER_URL": "sqs://",
    # NullPool, the worker's life cycle and the wake-up; read by scheduler and worker alike.
    "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": "airflow_on_fargate.celery.config.CELERY_CONFIG",
    # Remote control needs queues that SQS cannot provide; with Valkey it is on.
    "AIRFLOW__CELERY__WORKER_ENABLE_REMOTE_CONTROL": "False",
    # Publish in the scheduler's own process: forked children would lose the wake-up's rate limit.
    "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
    # The first publish after a start took 1.3 s; the default limit is one second.
    "AIRFLOW__CELERY__OPERATION_TIMEOUT": "15",
    # These two make "visible + not visible" mean "queued + running": the scaling signal.
    "AIRFLOW__CELERY__TASK_ACKS_LATE": "True",
    "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
    # SQS's maximum, as for the queue itself: a shorter one redelivers tasks that still run. The
    # same with Valkey, since the scaler replaces workers of that age.
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "43200",
    # --- logging ---
    # No connection, so that the task role is used. A named one would be looked up in Secrets
    # Manager for every task.
    "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "",
    # The upload is enough: the task's disk is small, and no other process reads it.
    "AIRFLOW__LOGGING__DELETE_LOCAL_LOGS": "True",
    # One file per DAG would fill the task's disk; standard output has a retention.
    "AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET": "stdout",
    # Otherwise each parse of each file logs four lines, twice a minute, without information.
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": (
        "airflow.dag_processing.dagbag=WARNING airflow.models.dag=WARNING "
        "airflow.serialization.definitions.dag=WARNING"
    ),
    # Escape sequences are noise in CloudWatch.
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    # --- secrets and connections ---
    "AIRFLOW__SECRETS__BACKEND": (
        "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
    ),
    # DAGs that use Amazon operators get the task role without a connection of their own.
    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
}


class ConfigurationError(Exception):
    """AIRFLOW_CONFIGURATION cannot be used; the text says why."""


def settings_for(environment: Mapping[str, str]) -> dict[str, str]:
    """What this image sets in `environment`: defaults, derived settings, AIRFLOW_CONFIGURATION."""
    options = options_from(environment.get("AIRFLOW_CONFIGURATION", ""))
    stronger = {**options, **environment}
    home = stronger.get("AIRFLOW_HOME") or DEFAULT_AIRFLOW_HOME
    derived = {
        "AIRFLOW_HOME": home,
        # Beside Airflow's home, not in a shared temporary folder: two tasks may share a machine.
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(Path(home, "dag_bundles")),
        # The key of users' sessions, which workers must not have.
        "AIRFLOW__FAB__CONFIG_FILE": str(FLASK_CONFIG),
        # A browser drops secure cookies on plain HTTP, so this follows the address that users see.
        "AIRFLOW__FAB__COOKIE_SECURE": str(
            urlsplit(stronger.get("AIRFLOW__API__BASE_URL", "")).scheme == "https"
        ),
        **_of_the_stack(stronger),
        **_of_the_component(stronger),
        **_of_the_executors(stronger),
    }
    # Airflow does not start with remote logging on and no folder.
    folder = "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"
    derived["AIRFLOW__LOGGING__REMOTE_LOGGING"] = str(folder in derived or folder in stronger)
    return {**DEFAULTS, **derived, **options}


def _of_the_stack(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings that follow from the names of the stack and of its resources."""
    settings = {}
    if bucket := environment.get("LOG_BUCKET_NAME"):
        settings["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"] = f"s3://{bucket}/logs"
    if stack := environment.get("STACK_NAME"):
        # Workers of an isolated queue look up their own first. Airflow then asks the api-server,
        # which knows the shared ones.
        isolated = environment.get(worker_settings.SECRETS_OF_QUEUE)
        own = secrets_prefix(stack, isolated) if isolated else stack
        settings["AIRFLOW__SECRETS__BACKEND_KWARGS"] = json.dumps(
            {
                "connections_prefix": f"{own}/connections",
                "variables_prefix": f"{own}/variables",
                "config_prefix": f"{stack}/config",
            }
        )
    if is_valkey(environment.get(BROKER_URL, "")):
        settings["AIRFLOW__CELERY__WORKER_ENABLE_REMOTE_CONTROL"] = "True"
        return {**settings, **_of_the_dag_bucket(environment)}
    if region := environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"):
        settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__REGION"] = region
    if url := environment.get("WORKER_QUEUE_URL"):
        settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__PREDEFINED_QUEUES"] = predefined_queues(
            url, environment.get("WORKER_QUEUE_NAMES", ""), environment.get("STACK_NAME", "")
        )
    return {**settings, **_of_the_dag_bucket(environment)}


def _of_the_dag_bucket(environment: Mapping[str, str]) -> dict[str, str]:
    bucket = environment.get("DAG_BUCKET_NAME")
    if not bucket:
        return {}
    return {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": dag_bundle_config_list(bucket)}


def _of_the_component(environment: Mapping[str, str]) -> dict[str, str]:
    """Addresses that only one component uses."""
    settings = {}
    component = environment.get("COMPONENT")
    stack, bucket = environment.get("STACK_NAME"), environment.get("STATE_BUCKET_NAME")
    if component == names.SCHEDULER and stack:
        settings["WORKER_SCALER_FUNCTION_NAME"] = names.scaler_function(stack)
    # The scheduler has the bucket's name only where workers are started ahead of due runs.
    if component == names.SCHEDULER and bucket:
        settings["WORKER_FORECAST_OBJECT"] = f"s3://{bucket}/{forecast.KEY}"
    if component == names.FLOWER:
        settings["AIRFLOW__CELERY__FLOWER_URL_PREFIX"] = FLOWER_PATH
        settings["AIRFLOW__CELERY__FLOWER_PORT"] = str(FLOWER_PORT)
    if component == names.WORKER and bucket:
        settings["WORKER_DRAIN_OBJECT"] = f"s3://{bucket}/{drain_orders.KEY}"
    return settings


def _of_the_executors(environment: Mapping[str, str]) -> dict[str, str]:
    """Which executors there are, for every component, and how the scheduler reaches them."""
    settings = {}
    if words := environment.get("EXECUTORS"):
        settings["AIRFLOW__CORE__EXECUTOR"] = executors(words)
    # Task definition, subnets, security group, ENABLED or DISABLED, and the state bucket. Only the
    # scheduler has it.
    if placement := environment.get("FARGATE_EXECUTOR"):
        definition, subnets, groups, public, bucket = placement.split("|")
        options = {
            "startedBy": names.STARTED_BY_ECS_EXECUTOR,
            "propagateTags": "TASK_DEFINITION",
        }
        section = "AIRFLOW__AWS_ECS_EXECUTOR__"
        settings |= {
            "WORKLOAD_BUCKET_NAME": bucket,
            f"{section}CLUSTER": environment.get("STACK_NAME", ""),
            f"{section}CONTAINER_NAME": names.WORKER,
            f"{section}TASK_DEFINITION": definition,
            f"{section}SUBNETS": subnets,
            f"{section}SECURITY_GROUPS": groups,
            f"{section}ASSIGN_PUBLIC_IP": str(public == "ENABLED"),
            f"{section}LAUNCH_TYPE": "FARGATE",
            # The scheduler's own role, whatever a connection of the users is.
            f"{section}CONN_ID": "",
            f"{section}RUN_TASK_KWARGS": json.dumps(options),
        }
    return settings


def executors(words: str) -> str:
    """[core] executor for the words of the parameter Executors; the first one is the default."""
    named = (names.EXECUTORS[word] for word in words.split(","))
    return ",".join(f"{name}:{path}" if path else name for name, path in named)


def is_valkey(broker_url: str) -> bool:
    """Whether a broker's URL names Valkey, with or without TLS, and not SQS."""
    return broker_url.startswith(("rediss:", "redis:"))


def options_from(text: str) -> dict[str, str]:
    """AIRFLOW_CONFIGURATION as the variables that Airflow reads; `{}` for an empty text.

    The preflight check has refused unknown sections and the options that the stack sets.
    """
    try:
        return airflow_configuration.environment_variables(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"AIRFLOW_CONFIGURATION is not valid JSON: {error}") from error
    except ValueError as error:
        raise ConfigurationError(f"AIRFLOW_CONFIGURATION: {error}") from error


def predefined_queues(default_url: str, queues: str, stack_name: str) -> str:
    """[celery_broker_transport_options] predefined_queues: the default one, and those listed."""
    listed = (DEFAULT_QUEUE, *further_queues(queues))
    return json.dumps({name: {"url": queue_url(default_url, stack_name, name)} for name in listed})


def dag_bundle_config_list(bucket_name: str) -> str:
    """[dag_processor] dag_bundle_config_list: one bundle, the releases of one bucket."""
    return json.dumps(
        [
            {
                "name": DAG_BUNDLE_NAME,
                "classpath": "airflow_on_fargate.releases.bundle.ReleaseDagBundle",
                "kwargs": {
                    "bucket_name": bucket_name,
                    "refresh_interval": DAG_BUNDLE_REFRESH_SECONDS,
                },
            }
        ]
    )


def apply(environment: MutableMapping[str, str] | None = None) -> None:
    """Set what is not set yet: variables of the task definition win."""
    target = os.environ if environment is None else environment
    for name, value in settings_for(target).items():
        target.setdefault(name, value)
