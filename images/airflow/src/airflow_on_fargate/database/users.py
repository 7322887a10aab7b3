"""`ensure-database-users`: the users of the metadata database, then those of the result backend.

Both need the master user's password, so one task that may read it does both.
"""

import os


def main() -> int:
    """Exit code 0 when all users exist with their rights."""
    from sqlalchemy.engine import make_url

    from airflow_on_fargate.celery import result_backend
    from airflow_on_fargate.database import owner
    from airflow_on_fargate.rotation.context import RotationContext

    master = RotationContext.from_environment().master_url()
    print(owner.ensure(master, make_url(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])))
    results = make_url(os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+"))
    print(result_backend.ensure(master, results))
    return 0
