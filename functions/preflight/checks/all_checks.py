"""All checks of a request."""

from collections.abc import Mapping
from typing import Any

from preflight.checks.airflow_configuration import airflow_configuration_problems
from preflight.checks.broker import broker_problems
from preflight.checks.changes import change_problems
from preflight.checks.database import database_problems
from preflight.checks.image import image_problems
from preflight.checks.network import network_problems
from preflight.checks.stack import creation_problems, stack_name_problems
from preflight.checks.tasks import task_problems
from preflight.checks.workers import worker_problems
from preflight.parameters import Parameters
from shared.dag_releases import read_dag_releases


def find_problems(
    properties: Mapping[str, Any], former_properties: Mapping[str, Any] | None = None
) -> list[str]:
    """Everything that is wrong; empty when the stack may be deployed.

    Args:
        properties: the parameters of this deployment.
        former_properties: those of the deployment before; None when the stack is created.
    """
    parameters = Parameters(properties)
    former = None if former_properties is None else Parameters(former_properties)
    _, dag_release_problems = read_dag_releases(parameters.text("DagReleases"))
    return [
        *stack_name_problems(parameters),
        *task_problems(parameters),
        *database_problems(parameters),
        *network_problems(parameters),
        *image_problems(parameters),
        *worker_problems(parameters),
        *broker_problems(parameters),
        *airflow_configuration_problems(parameters.text("AirflowConfiguration")),
        *dag_release_problems,
        *(creation_problems(parameters) if former is None else change_problems(parameters, former)),
    ]
