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
            raise ValueError(f"{section!r} is not a JSON object")
        for option, value in described.items():
            if not isinstance(value, Value):
                raise ValueError(
                    f"the value of {section}.{option} is not a string, a number or a boolean"
                )
            yield section, option, value


def variable_name(section: str, option: str) -> str:
    """The environment variable that Airflow reads for an option."""
    return f"AIRFLOW__{section.replace('.', '_').upper()}__{option.upper()}"


def environment_variables(text: str) -> dict[str, str]:
    """The parameter as environment variables; ValueError if it is not such a configuration."""
    if not text.strip():
        return {}
    # Numbers stay as they are written.
    configuration = json.loads(text, parse_int=str, parse_float=str)
    if not isinstance(configuration, Mapping):
        raise ValueError("the configuration is not a JSON object")
    return {
        variable_name(section, option): str(value)
        for section, option, value in options(configuration)
    }
