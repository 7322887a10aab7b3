"""`airflow db migrate`, then the first user, in one process: each start of Airflow takes seconds.

Run as `python -m airflow_on_fargate.users.after_migration [EMAIL]`, by `upgrade-schema`.
"""

import sys

from airflow_on_fargate.users import admin


def main(arguments: list[str]) -> int:
    """Exit code 0 when the schema is Airflow's newest one, and the user is as described."""
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", "db", "migrate"]
    airflow()
    return admin.main(*arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
