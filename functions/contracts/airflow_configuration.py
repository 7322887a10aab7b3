"""AirflowConfiguration: Airflow options as JSON, {"<section>": {"<option>": <value>}}.

The preflight checks it before a deployment; the image turns it into environment variables.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Value = str | int | float | bool


def options(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str, Value]]:
    """Section, option and value of each option; ValueError for anything else."""
    for section, described in configuration.items():
        if not isinstance(described, Mapping):
            raise ValueError(f"{section} is not a JSON object")
        for option, value in described.items():
            if not isinstance(value, Value):
                raise ValueError(f"{section}.{option} is not a string, a number or a boolean")
            yield section, option, value


def variable_name(section: str, option: str) -> str:
    """The environment variable that Airflow reads for an option."""
    return f"AIRFLOW__{section.replace('.', '_').upper()}__{option.upper()}"


def variable_value(value: Value) -> str:
    """A value as Airflow writes it in its configuration file."""
    return value if isinstance(value, str) else str(value)


def environment_variables(text: str) -> dict[str, str]:
    """The parameter as environment variables; ValueError if it is not such a configuration."""
    configuration = json.loads(text or "{}")
    if not isinstance(configuration, Mapping):
        raise ValueError("The configuration is not a JSON object")
    return {
        variable_name(section, option): variable_value(value)
        for section, option, value in options(configuration)
    }
