"""AirflowConfiguration as environment variables."""

import pytest

from contracts.airflow_configuration import environment_variables


def test_each_option_becomes_the_variable_that_airflow_reads():
    text = (
        '{"core": {"parallelism": 64, "dags_are_paused_at_creation": true}, '
        '"common.io": {"xcom_objectstorage_threshold": 0.5, "path": "s3://a b"}}'
    )
    assert environment_variables(text) == {
        "AIRFLOW__CORE__PARALLELISM": "64",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "0.5",
        "AIRFLOW__COMMON_IO__PATH": "s3://a b",
    }


@pytest.mark.parametrize("text", ["", "{}"])
def test_nothing_is_set_when_nothing_is_configured(text):
    assert environment_variables(text) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"core": 3}', '{"core": {"a": null}}'])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):
        environment_variables(text)
