"""The sections and options that the preflight check knows are those of the image's Airflow."""

from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager
from airflow_sections import airflow_sections

from airflow_on_fargate import configuration
from preflight.checks.airflow_configuration import RESERVED_OPTIONS, known_sections

# Accepts any option, so that no description lists them.
FREE_SECTION = "celery_broker_transport_options"


def test_known_sections_are_those_of_this_airflow() -> None:
    assert known_sections() == set(airflow_sections())


def test_reserved_options_exist() -> None:
    ProvidersManager().initialize_providers_configuration()
    described = conf.configuration_description
    unknown = [
        f"{section}.{option}"
        for section, options in RESERVED_OPTIONS.items()
        for option in options
        if section != FREE_SECTION and option not in described[section]["options"]
    ]
    assert unknown == []


def test_derived_options_are_reserved_unless_users_may_change_them() -> None:
    environment = {
        "COMPONENT": "worker",
        "STACK_NAME": "stack",
        "LOG_BUCKET_NAME": "logs",
        "DAG_BUCKET_NAME": "dags",
        "STATE_BUCKET_NAME": "state",
        "WORKER_QUEUE_URL": "https://sqs/1/stack-queue-default",
        "AWS_REGION": "eu-central-1",
    }
    derived = configuration.settings_for(environment).keys() - configuration.DEFAULTS.keys()
    reserved = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, options in RESERVED_OPTIONS.items()
        for option in options
    }
    assert {name for name in derived - reserved if name.startswith("AIRFLOW__")} == {
        # A user may have another proxy in front, or secrets under other prefixes.
        "AIRFLOW__FAB__COOKIE_SECURE",
        "AIRFLOW__SECRETS__BACKEND_KWARGS",
    }
