"""The identity of this task, from ECS's metadata endpoint."""

import json
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_on_fargate.contracts import names

_SECONDS = 5


class NotOnEcsError(Exception):
    """There is no metadata endpoint."""


@dataclass(frozen=True)
class TaskIdentity:
    """This task, its cluster, and the revision of its task definition."""

    task_arn: str
    cluster_arn: str
    family: str
    revision: str

    @property
    def stack_name(self) -> str:
        """Families are `<stack>-<component>`, and this component is `command`."""
        return self.family.removesuffix(names.task_family("", names.COMMAND))


def read(environment: Mapping[str, str] | None = None) -> TaskIdentity:
    """Read the metadata endpoint."""
    uri = (os.environ if environment is None else environment).get("ECS_CONTAINER_METADATA_URI_V4")
    if not uri:
        raise NotOnEcsError("ECS_CONTAINER_METADATA_URI_V4 is not set: this command runs on ECS")
    with urllib.request.urlopen(f"{uri}/task", timeout=_SECONDS) as answer:  # noqa: S310
        task: Mapping[str, Any] = json.load(answer)
    return TaskIdentity(
        task_arn=str(task["TaskARN"]),
        cluster_arn=str(task["Cluster"]),
        family=str(task["Family"]),
        revision=str(task["Revision"]),
    )
