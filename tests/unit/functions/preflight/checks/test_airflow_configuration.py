"""Which options of Airflow a user may set."""

import json

import pytest

from preflight.checks.airflow_configuration import (
    RESERVED_OPTIONS,
    airflow_configuration_problems,
    known_sections,
)


def problems(configuration):
    text = configuration if isinstance(configuration, str) else json.dumps(configuration)
    return list(airflow_configuration_problems(text))


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"core": {"parallelism": 64, "default_timezone": "Europe/Berlin", "dags_are_paused": True}},
        {"metrics": {"statsd_on": False}, "common.io": {"xcom_objectstorage_threshold": 0.5}},
        {"email": {"email_backend": ""}},
    ],
)
def test_options_of_known_sections_are_accepted(configuration):
    assert problems(configuration) == []


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ("{", "AirflowConfiguration is not valid JSON (line 1, column 2: "),
        ("[]", "AirflowConfiguration is not a JSON object"),
        ('{"core": {}, "core": {}}', "AirflowConfiguration contains 'core' twice"),
        ('{"core": {"a": 1, "a": 2}}', "AirflowConfiguration contains 'a' twice"),
        ('{"core": {"a": NaN}}', "AirflowConfiguration contains NaN"),
        ({"Core": {}}, "section 'Core', which Airflow ignores: did you mean 'core'?"),
        ({"zebra-crossing": {}}, "section 'zebra-crossing', which Airflow ignores: remove it."),
        ({"core": 3}, "AirflowConfiguration.core is not a JSON object"),
        ({"core": {"a b": 1}}, "AirflowConfiguration.core has the option 'a b'"),
        ({"core": {"": 1}}, "AirflowConfiguration.core has the option ''"),
        ({"core": {"parallelism": None}}, "core.parallelism is null: give a string, a number"),
        ({"core": {"parallelism": [1]}}, "core.parallelism is [1]: give a string, a number"),
        ({"core": {"fernet_key": "x"}}, "core.fernet_key is set by the stack, because the stack"),
        ({"core": {"Fernet_Key": "x"}}, "core.Fernet_Key is set by the stack"),
        ({"core": {"fernet_key_cmd": "x"}}, "core.fernet_key_cmd is set by the stack"),
        (
            {"database": {"sql_alchemy_conn_secret": "x"}},
            "sql_alchemy_conn_secret is set by the stack",
        ),
        ({"celery": {"worker_concurrency": 9}}, "because WorkerFleets sets it"),
    ],
)
def test_reports_place_and_remedy_when_an_option_is_refused(configuration, expected):
    found = problems(configuration)
    assert len(found) == 1
    assert expected in found[0]


def test_all_problems_are_reported_at_once():
    assert len(problems({"core": {"executor": "x", "auth_manager": "x"}, "nowhere": {}})) == 3


def test_options_of_the_stack_are_of_known_sections():
    assert set(RESERVED_OPTIONS) <= known_sections()
