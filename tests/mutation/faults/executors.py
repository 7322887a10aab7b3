"""Faults in the executors beside Celery."""

from tests.mutation.mutant import Mutant

_SOURCE = "images/airflow/src/airflow_on_fargate/executors"

FAULTS = (
    Mutant(
        "token-in-the-command",
        f"{_SOURCE}/ecs.py",
        "super()._run_task_kwargs(task_id, [command, address],",
        "super()._run_task_kwargs(task_id, [command, text],",
        "everybody with DescribeTasks reads the token of a task",
    ),
    Mutant(
        "started-twice",
        f"{_SOURCE}/ecs.py",
        "if not task.started_at:",
        "if True:",
        "a task that has run half is started again as the same try",
    ),
    Mutant(
        "ends-with-the-scheduler",
        f"{_SOURCE}/ecs.py",
        '"""End no task: this stops a scheduler, not what it has started."""',
        "super().terminate()",
        "a deployment ends every task of the executor",
    ),
    Mutant(
        "starts-while-the-stack-is-deleted",
        f"{_SOURCE}/ecs.py",
        "        if self._is_retired():\n            self.log.info",
        "        if False:\n            self.log.info",
        "the deletion of the stack fails, because a task still runs in its cluster",
    ),
    Mutant(
        "any-request",
        f"{_SOURCE}/ecs_options.py",
        'problems = [*_unknown("executor_config", config, _OF_THE_REQUEST)]\n    options = {name: '
        "value for name, value in config.items() if name in _OF_THE_REQUEST}",
        "problems = []\n    options = dict(config)",
        "a DAG starts ten tasks, or one that the scaler counts as its worker",
    ),
    Mutant(
        "guessable-names",
        f"{_SOURCE}/workloads.py",
        "secrets.token_urlsafe(32)",
        "hash(text) % 1000",
        "a task reads the workloads of others",
    ),
    Mutant(
        "executor-tasks-are-workers",
        "functions/scale_workers/handler.py",
        "_stopped_task(event).started_by == STARTED_BY_ECS_EXECUTOR",
        "False",
        "a task that fails on ECS counts as a worker that died, and raises an alarm",
    ),
    Mutant(
        "services-stopped-with-the-fleet",
        "functions/scale_workers/aws/ecs_worker_tasks.py",
        "return not of_a_service and family(task",
        "return family(task",
        "at deletion the fleet stops the tasks of services again and again",
    ),
)
