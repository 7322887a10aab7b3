"""The image's settings: real options, derived values, and their precedence."""

import ast
import inspect
import json

import pytest
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager

from airflow_on_fargate import configuration

SETTINGS = configuration.settings_for(
    {"DAG_BUCKET_NAME": "dags", "AIRFLOW__API__BASE_URL": "https://airflow.example.com"}
)
# Sections that accept any option, so that no description lists them.
FREE_SECTIONS = {"celery_broker_transport_options"}


def option_names() -> list[tuple[str, str]]:
    names = (name.split("__") for name in SETTINGS if name.startswith("AIRFLOW__"))
    return [(section.lower(), option.lower()) for _, section, option in names]


def test_every_setting_is_an_option_of_this_airflow() -> None:
    ProvidersManager().initialize_providers_configuration()
    described = conf.configuration_description
    unknown = [
        f"[{section}] {option}"
        for section, option in option_names()
        if section not in FREE_SECTIONS and option not in described[section]["options"]
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("name", "value"),
    {
        # Values that measurements or reviews require; the reasons are beside the settings.
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "airflow.utils.net.get_host_ip_address",
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": "7200",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "20",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "True",
        "AIRFLOW__CELERY__WORKER_ENABLE_REMOTE_CONTROL": "False",
        "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
        "AIRFLOW__CELERY__TASK_ACKS_LATE": "True",
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "43200",
        "AIRFLOW__FAB__ENABLE_PROXY_FIX": "True",
        "AIRFLOW__FAB__PROXY_FIX_X_HOST": "0",
        "AIRFLOW__FAB__PROXY_FIX_X_PREFIX": "0",
        "AIRFLOW__FAB__PROXY_FIX_X_FOR": "1",
        "AIRFLOW__API__ENABLE_SWAGGER_UI": "False",
    }.items(),
)
def test_setting_has_its_value(name: str, value: str) -> None:
    assert SETTINGS[name] == value


def test_every_default_has_a_reason() -> None:
    source = inspect.getsource(configuration)
    lines = source.splitlines()
    mapping = next(
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "DEFAULTS"
    )
    assert isinstance(mapping, ast.Dict)
    keys = [key for key in mapping.keys if isinstance(key, ast.Constant)]
    assert len(keys) == len(configuration.DEFAULTS)
    # One comment may cover adjacent settings.
    without = [
        key.value
        for key in keys
        if not any("# " in lines[key.lineno - above - 1] for above in (1, 2, 3))
    ]
    assert without == []


def test_task_definition_overrides_a_default() -> None:
    environment = {"AIRFLOW__CORE__PARALLELISM": "5", "AIRFLOW_HOME": "/somewhere"}
    configuration.apply(environment)
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "5"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert environment["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"] == (
        "/somewhere/dag_bundles"
    )


def test_no_default_is_a_secret_or_an_address() -> None:
    words = ("SQL_ALCHEMY_CONN", "FERNET", "SECRET_KEY", "JWT_SECRET", "RESULT_BACKEND", "_URL\n")
    assert [name for name in SETTINGS if any(word in f"{name}\n" for word in words)] == [
        "AIRFLOW__CELERY__BROKER_URL"
    ]


def test_bundle_list_names_the_bucket() -> None:
    settings = configuration.settings_for({"DAG_BUCKET_NAME": "my-dags"})
    [bundle] = json.loads(settings["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert bundle["classpath"] == "airflow_on_fargate.releases.bundle.ReleaseDagBundle"
    assert bundle["kwargs"] == {"bucket_name": "my-dags", "refresh_interval": 3}


def test_bundle_list_is_not_set_without_a_bucket() -> None:
    assert "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST" not in configuration.settings_for({})


@pytest.mark.parametrize(
    ("names", "further"),
    [
        ("", {}),
        (",", {}),
        ("heavy,,gpu-1", {"heavy": "stack-queue-heavy", "gpu-1": "stack-queue-gpu-1"}),
        (",team-a:isolated", {"team-a": "stack-queue-team-a"}),
    ],
)
def test_further_queues_are_named_after_the_stack(names: str, further: dict[str, str]) -> None:
    place = "https://sqs.eu-central-1.amazonaws.com/111122223333"
    settings = configuration.settings_for(
        {
            "WORKER_QUEUE_URL": f"{place}/stack-queue-default",
            "WORKER_QUEUE_NAMES": names,
            "STACK_NAME": "stack",
        }
    )
    queues = json.loads(settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__PREDEFINED_QUEUES"])
    expected = {"default": "stack-queue-default", **further}
    assert queues == {name: {"url": f"{place}/{queue}"} for name, queue in expected.items()}


def test_queues_are_not_set_without_an_address() -> None:
    assert not [name for name in configuration.settings_for({}) if "PREDEFINED_QUEUES" in name]


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({}, None),
        ({"LOG_BUCKET_NAME": "logs"}, "s3://logs/logs"),
        ({"AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://mine"}, "s3://mine"),
    ],
)
def test_logs_are_uploaded_when_a_bucket_or_a_folder_is_given(
    given: dict[str, str], folder: str | None
) -> None:
    environment = dict(given)
    configuration.apply(environment)
    assert environment.get("AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER") == folder
    assert environment["AIRFLOW__LOGGING__REMOTE_LOGGING"] == str(folder is not None)


def test_secrets_are_looked_up_under_the_name_of_the_stack() -> None:
    settings = configuration.settings_for({"STACK_NAME": "my-stack"})
    assert json.loads(settings["AIRFLOW__SECRETS__BACKEND_KWARGS"]) == {
        "connections_prefix": "my-stack/connections",
        "variables_prefix": "my-stack/variables",
        "config_prefix": "my-stack/config",
    }


def test_worker_of_an_isolated_queue_looks_up_the_secrets_of_its_queue() -> None:
    settings = configuration.settings_for(
        {"STACK_NAME": "my-stack", "COMPONENT": "worker", "WORKER_SECRETS_OF_QUEUE": "team-a"}
    )
    assert json.loads(settings["AIRFLOW__SECRETS__BACKEND_KWARGS"]) == {
        "connections_prefix": "my-stack/queues/team-a/connections",
        "variables_prefix": "my-stack/queues/team-a/variables",
        # Options of Airflow are the same for all workers.
        "config_prefix": "my-stack/config",
    }


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_brokers_region_is_that_of_the_task(variable: str) -> None:
    settings = configuration.settings_for({variable: "eu-central-1"})
    assert settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__REGION"] == "eu-central-1"


@pytest.mark.parametrize(
    ("component", "bucket", "expected"),
    [
        ("scheduler", "", {"WORKER_SCALER_FUNCTION_NAME": "stack-scale-workers"}),
        (
            "scheduler",
            "state",
            {
                "WORKER_SCALER_FUNCTION_NAME": "stack-scale-workers",
                "WORKER_FORECAST_OBJECT": "s3://state/fleet/forecast.json",
            },
        ),
        ("worker", "state", {"WORKER_DRAIN_OBJECT": "s3://state/fleet/drain.json"}),
        ("worker", "", {}),
        ("command", "state", {}),
        ("api-server", "", {}),
    ],
)
def test_addresses_are_derived_for_the_component_that_uses_them(
    component: str, bucket: str, expected: dict[str, str]
) -> None:
    settings = configuration.settings_for(
        {"COMPONENT": component, "STACK_NAME": "stack", "STATE_BUCKET_NAME": bucket}
    )
    names = {"WORKER_SCALER_FUNCTION_NAME", "WORKER_FORECAST_OBJECT", "WORKER_DRAIN_OBJECT"}
    assert {name: value for name, value in settings.items() if name in names} == expected


@pytest.mark.parametrize(
    ("base_url", "secure"),
    [("https://airflow.example.com", "True"), ("http://127.0.0.1:8080", "False"), ("", "False")],
)
def test_cookies_are_secure_for_an_https_base_url(base_url: str, secure: str) -> None:
    settings = configuration.settings_for({"AIRFLOW__API__BASE_URL": base_url})
    assert settings["AIRFLOW__FAB__COOKIE_SECURE"] == secure


def test_options_win_over_the_image_and_variables_win_over_options() -> None:
    environment = {
        "AIRFLOW_CONFIGURATION": json.dumps(
            {
                "core": {"parallelism": 64, "load_examples": True, "default_timezone": "utc"},
                "scheduler": {"scheduler_heartbeat_sec": 2.50},
                "celery_broker_transport_options": {"wait_time_seconds": 5},
            }
        ),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    configuration.apply(environment)
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "64"
    assert environment["AIRFLOW__CORE__DEFAULT_TIMEZONE"] == "utc"
    assert environment["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert environment["AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC"] == "2.5"
    assert environment["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__WAIT_TIME_SECONDS"] == "5"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_airflow_reads_every_option_that_the_json_can_name() -> None:
    ProvidersManager().initialize_providers_configuration()
    described = conf.configuration_description
    document = {s: dict.fromkeys(found["options"], "x") for s, found in described.items()}
    variables = configuration.options_from(json.dumps(document))
    expected = {conf._env_var_name(s, o) for s, options in document.items() for o in options}
    assert set(variables) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"core": ', r"not valid JSON.*line 1 column 10"),
        ('["core"]', "not a JSON object"),
        ('{"core": "parallelism"}', "'core' is not a JSON object"),
        ('{"core": {"parallelism": null}}', r"core\.parallelism is not a string"),
        ('{"core": {"parallelism": [1]}}', r"core\.parallelism is not a string"),
    ],
)
def test_malformed_options_are_refused(text: str, says: str) -> None:
    with pytest.raises(configuration.ConfigurationError, match=says):
        configuration.settings_for({"AIRFLOW_CONFIGURATION": text})


def test_the_server_keeps_connections_longer_than_the_load_balancer() -> None:
    assert int(SETTINGS["AIRFLOW__API__WORKER_TIMEOUT"]) > 120
