"""The image's settings: real options, complete, and never stronger than the task definition."""

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
# Options of sections that take any name, so no description lists them.
FREE_SECTIONS = {"celery_broker_transport_options"}


def option_names() -> list[tuple[str, str]]:
    names = (name.split("__") for name in SETTINGS if name.startswith("AIRFLOW__"))
    return [(section.lower(), option.lower()) for _, section, option in names]


def test_every_setting_is_an_option_of_this_airflow_when_compared_with_its_descriptions() -> None:
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
        # What has been measured or reviewed to be needed; the reasons stand beside the settings.
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
        "FORWARDED_ALLOW_IPS": "*",
    }.items(),
)
def test_setting_has_its_value_when_nothing_else_is_said(name: str, value: str) -> None:
    assert SETTINGS[name] == value


def test_every_default_has_a_reason_when_read_in_the_source() -> None:
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
    # One comment may speak for a pair that stands together.
    without = [
        key.value
        for key in keys
        if not any("# " in lines[key.lineno - above - 1] for above in (1, 2, 3))
    ]
    assert without == []


def test_the_task_definition_wins_when_it_sets_a_default() -> None:
    environment = {"AIRFLOW__CORE__PARALLELISM": "5", "AIRFLOW_HOME": "/somewhere"}
    configuration.apply(environment)
    assert environment["AIRFLOW__CORE__PARALLELISM"] == "5"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert environment["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"] == (
        "/somewhere/dag_bundles"
    )


def test_no_default_is_a_secret_or_an_address_when_listed() -> None:
    words = ("SQL_ALCHEMY_CONN", "FERNET", "SECRET_KEY", "JWT_SECRET", "RESULT_BACKEND", "_URL\n")
    assert [name for name in SETTINGS if any(word in f"{name}\n" for word in words)] == [
        "AIRFLOW__CELERY__BROKER_URL"
    ]


def test_bundle_list_names_the_bucket_when_one_is_given() -> None:
    settings = configuration.settings_for(
        {"DAG_BUCKET_NAME": "my-dags", "DAG_RELEASE_PREFIX": "r/"}
    )
    [bundle] = json.loads(settings["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert bundle["classpath"] == "airflow_on_fargate.releases.bundle.ReleaseDagBundle"
    assert bundle["kwargs"] == {"bucket_name": "my-dags", "prefix": "r/", "refresh_interval": 3}


def test_bundle_list_is_left_alone_when_there_is_no_bucket() -> None:
    assert "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST" not in configuration.settings_for({})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", {"default": "stack-Queue-1"}),
        (
            "heavy,gpu-1",
            {
                "default": "stack-Queue-1",
                "heavy": "stack-queue-heavy",
                "gpu-1": "stack-queue-gpu-1",
            },
        ),
    ],
)
def test_queues_are_found_beside_the_default_one_when_they_are_named(
    names: str, expected: dict[str, str]
) -> None:
    place = "https://sqs.eu-central-1.amazonaws.com/111122223333"
    settings = configuration.settings_for(
        {
            "WORKER_QUEUE_URL": f"{place}/stack-Queue-1",
            "WORKER_QUEUE_NAMES": names,
            "WORKER_QUEUE_PREFIX": "stack-queue-",
        }
    )
    queues = json.loads(settings["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__PREDEFINED_QUEUES"])
    assert queues == {name: {"url": f"{place}/{queue}"} for name, queue in expected.items()}


def test_queues_are_left_to_the_task_definition_when_it_names_no_address() -> None:
    assert not [name for name in configuration.settings_for({}) if "PREDEFINED_QUEUES" in name]


@pytest.mark.parametrize("folder", [None, "s3://logs/logs"])
def test_logs_go_to_s3_when_a_place_is_given(folder: str | None) -> None:
    environment = {"AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": folder} if folder else {}
    settings = configuration.settings_for(environment)
    assert settings["AIRFLOW__LOGGING__REMOTE_LOGGING"] == str(folder is not None)


@pytest.mark.parametrize(
    ("base_url", "secure"),
    [("https://airflow.example.com", "True"), ("http://127.0.0.1:8080", "False"), ("", "False")],
)
def test_cookies_are_secure_when_users_come_by_https(base_url: str, secure: str) -> None:
    settings = configuration.settings_for({"AIRFLOW__API__BASE_URL": base_url})
    assert settings["AIRFLOW__FAB__COOKIE_SECURE"] == secure
