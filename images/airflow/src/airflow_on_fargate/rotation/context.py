"""What a rotation works on: the stack's secrets, its services, its workers.

The task definition names them in ROTATION: {"cluster": …, "worker_family": …, "secrets": {name:
ARN}}.
"""

import json
import os
import secrets
import string
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from airflow_on_fargate.database import turn
from airflow_on_fargate.database.roles import MASTER
from airflow_on_fargate.rotation.errors import RotationError
from airflow_on_fargate.rotation.services import Services
from airflow_on_fargate.rotation.workers import Workers


@dataclass(frozen=True)
class Secret:
    """One secret of Secrets Manager."""

    client: Any
    arn: str

    def value(self) -> str:
        """The value that tasks get which start now."""
        return str(self.client.get_secret_value(SecretId=self.arn)["SecretString"]).strip()

    def previous(self) -> str:
        """The value before the last change, or an empty string."""
        try:
            found = self.client.get_secret_value(SecretId=self.arn, VersionStage="AWSPREVIOUS")
        except self.client.exceptions.ResourceNotFoundException:
            return ""
        return str(found["SecretString"]).strip()

    def put(self, value: str) -> None:
        """Store the value that tasks get which start from now on."""
        self.client.put_secret_value(SecretId=self.arn, SecretString=value)


@dataclass(frozen=True)
class RotationContext:
    """Everything outside this process that a rotation touches."""

    secrets: Mapping[str, Secret]
    services: Services
    workers: Workers
    # The turn to change the whole metadata database.
    turn: Callable[[], AbstractContextManager[None]]
    say: Callable[[str], None] = lambda text: print(text, flush=True)
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def from_environment(cls) -> "RotationContext":
        """As the task definition describes it."""
        import boto3

        if "ROTATION" not in os.environ:
            raise RotationError("ROTATION is not set: this is not the stack's command task")
        where = json.loads(os.environ["ROTATION"])
        arns = dict(where["secrets"])
        if arns["fernet-key-seed"] == arns["fernet-key"]:
            # The key is the user's own, so the template does not compose it.
            del arns["fernet-key-seed"]
        secretsmanager, ecs = boto3.client("secretsmanager"), boto3.client("ecs")
        return cls(
            {name: Secret(secretsmanager, arn) for name, arn in arns.items()},
            Services(ecs, where["cluster"]),
            Workers(ecs, where["cluster"], where["worker_family"]),
            lambda: turn.taken(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]),
        )

    def database_url(self) -> Any:
        """The metadata database's URL, as services get it that start now."""
        from sqlalchemy.engine import make_url

        return make_url(self.secrets["database-url"].value())

    def master_url(self) -> Any:
        """The same database for the master user, which may change users."""
        password = self.secrets["database-master-password"].value()
        return self.database_url().set(username=MASTER, password=password)

    def restart(self) -> None:
        """Restart every service with the current secrets; returns when all are steady."""
        begun = time.monotonic()
        self.say("Restarting the services, the api-server first")
        self.services.restart()
        self.say(f"All services are steady after {time.monotonic() - begun:.0f} s")


def random_text(length: int) -> str:
    """Letters and digits: they need no quoting in a URL, and make a Fernet key."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length))
