"""Names that both sides derive from the stack's name instead of passing them on."""

from typing import Final

API_SERVER: Final = "api-server"
SCHEDULER: Final = "scheduler"
DAG_PROCESSOR: Final = "dag-processor"
TRIGGERER: Final = "triggerer"
WORKER: Final = "worker"
COMMAND: Final = "command"
FLOWER: Final = "flower"

# A compact environment runs these three in one task of this name.
CONTROL_PLANE: Final = "control-plane"
COMPACT_COMPONENTS: Final = (SCHEDULER, DAG_PROCESSOR, TRIGGERER)

# The word of the executor of tasks that name none.
DEFAULT_EXECUTOR: Final = "celery"
# Executors by their words in the parameter Executors: as a task names them, with the class of those
# that are not Airflow's own.
EXECUTORS: Final = {
    "celery": ("CeleryExecutor", None),
    "ecs": ("ecs", "airflow_on_fargate.executors.ecs.AwsEcsExecutor"),
}
# `startedBy` of the tasks of the ECS executor. Workers have the name of their queue there, which
# has no capital letters.
STARTED_BY_ECS_EXECUTOR: Final = "EcsExecutor"


def task_family(stack_name: str, component: str) -> str:
    """The family of a component's task definition."""
    return f"{stack_name}-{component}"


def scaler_function(stack_name: str) -> str:
    """The name of the function that scales the workers."""
    return f"{stack_name}-scale-workers"
