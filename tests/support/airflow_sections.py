"""Print the sections of Airflow's configuration, those of its installed providers included.

    .venv/airflow/bin/python tests/support/airflow_sections.py \
        > functions/preflight/checks/airflow_sections.json

Run it after a new Airflow or provider was locked. A test of the image compares the file.
"""

import json

from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager


def airflow_sections() -> list[str]:
    manager = ProvidersManager()
    manager.initialize_providers_configuration()
    return sorted(conf.configuration_description)


if __name__ == "__main__":
    print(json.dumps(airflow_sections(), indent=1))
