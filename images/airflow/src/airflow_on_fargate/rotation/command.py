"""`rotate-secret NAME`: replace the value of one secret while Airflow and tasks run.

Every procedure reads from the secrets themselves how far an interrupted run came, so running the
same command again continues from there. One rotation runs at a time. No value is ever printed.

| secret | why no task fails |
|---|---|
| fernet-key, jwt-key | two keys side by side: `keys` |
| database-password, result-backend-password | two users side by side: `passwords` |
| database-master-password | no running task has it |
| api-secret-key, session-key | sign requests for live logs and sessions, which tasks do not use |
| admin-password | only the first user has it |
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from airflow_on_fargate.database.roles import connected
from airflow_on_fargate.rotation import keys, passwords
from airflow_on_fargate.rotation.context import RotationContext
from airflow_on_fargate.rotation.errors import RotationError

PROCEDURES: Final[dict[str, Callable[[RotationContext, float | None], None]]] = {
    "fernet-key": keys.rotate_fernet_key,
    "jwt-key": keys.rotate_jwt_key,
    "api-secret-key": keys.rotate_api_secret_key,
    "session-key": keys.rotate_session_key,
    "database-master-password": passwords.rotate_master_password,
    "database-password": passwords.rotate_database_password,
    "result-backend-password": passwords.rotate_result_backend_password,
    "admin-password": passwords.rotate_admin_password,
}
# Any constant number that no other lock has: a rotation may wait for hours, and an upgrade's
# rollback must not wait for it.
ADVISORY_LOCK: Final = 4_150_917_204


def main(*arguments: str) -> int:
    """Exit code 0 when the new value is in use everywhere and the old one is no longer valid."""
    parser = argparse.ArgumentParser(prog="rotate-secret", description="Replace a secret's value.")
    parser.add_argument("secret", choices=sorted(PROCEDURES))
    parser.add_argument(
        "--wait-seconds",
        type=float,
        help="jwt-key: how long old tokens stay trusted (default: as long as they can live); "
        "result-backend-password: how long to wait for old workers to exit",
    )
    options = parser.parse_args(arguments)
    try:
        context = RotationContext.from_environment()
        with _alone(context):
            PROCEDURES[options.secret](context, options.wait_seconds)
    except RotationError as error:
        print(f"Not finished: {error}. Run the same command again to continue.")
        return 1
    print(f"Done: {options.secret} has a new value, and the old one is no longer valid.")
    return 0


@contextmanager
def _alone(context: RotationContext) -> Iterator[None]:
    """Two rotations at the same time would restart each other's services."""
    with connected(context.database_url()) as connection:
        query = "SELECT pg_try_advisory_lock(%s)"
        if not connection.exec_driver_sql(query, (ADVISORY_LOCK,)).scalar():
            raise RotationError("another rotation is running")
        yield
