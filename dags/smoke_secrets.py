"""A Variable and a Connection from Secrets Manager, and a value passed on as an XCom."""

import json
import os

from airflow.sdk import BaseHook, Variable, dag, task
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

VARIABLE = "smoke_greeting"
CONNECTION = "smoke_http"


class SecretMissingError(Exception):
    """A secret that this DAG needs has not been created; the text says which."""


def secret_name(kind: str, name: str) -> str:
    """The name of the secret that the configured backend looks up for a variable or connection."""
    settings = json.loads(os.environ.get("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"))
    return f"{settings.get(f'{kind}_prefix', f'airflow/{kind}')}/{name}"


@dag(schedule=None, tags=["smoke", "example"])
def smoke_secrets():
    """
    ### Secrets Manager
    Reads the Variable `smoke_greeting` and the Connection `smoke_http` from Secrets Manager, under
    the stack's own prefix. Neither is in Airflow's database, and the connection's password is
    never shown.
    """

    @task
    def read_variable() -> str:
        try:
            greeting = Variable.get(VARIABLE)
        except (KeyError, AirflowRuntimeError) as error:
            raise SecretMissingError(
                f"Create the secret {secret_name('variables', VARIABLE)!r} in Secrets Manager; "
                "its value is any text, for example: Hello"
            ) from error
        return f"{greeting}, Secrets Manager!"

    @task
    def read_connection() -> str:
        try:
            connection = BaseHook.get_connection(CONNECTION)
        except AirflowNotFoundException as error:
            raise SecretMissingError(
                f"Create the secret {secret_name('connections', CONNECTION)!r} in Secrets Manager; "
                "its value is a URI, for example: http://user:password@example.com:80"
            ) from error
        if not connection.host:
            raise ValueError(f"The connection {CONNECTION!r} has no host")
        return connection.host

    @task
    def combine(greeting: str, host: str) -> None:
        print(f"{greeting} The connection {CONNECTION!r} leads to {host}.")

    combine(read_variable(), read_connection())


smoke_secrets()
