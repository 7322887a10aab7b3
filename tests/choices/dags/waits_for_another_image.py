"""EcsRunTaskOperator without the triggerer, on a task that fails and on one that does not end."""

from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator
from airflow.sdk import DAG

DEFAULTS = {
    "cluster": "{{ var.json.ecs_run_task.cluster }}",
    "launch_type": "FARGATE",
    "network_configuration": "{{ var.json.ecs_run_task.network_configuration }}",
    "container_name": "main",
    "awslogs_group": "{{ var.json.ecs_run_task.awslogs_group }}",
    "awslogs_region": "{{ var.json.ecs_run_task.awslogs_region }}",
    "overrides": {},
    "retries": 0,
}

with DAG("image_that_fails", schedule=None, render_template_as_native_obj=True):
    EcsRunTaskOperator(
        task_id="fails",
        task_definition="{{ var.json.ecs_run_task.family_prefix }}fails",
        awslogs_stream_prefix="fails/main",
        **DEFAULTS,
    )

with DAG("image_that_runs_on", schedule=None, render_template_as_native_obj=True):
    EcsRunTaskOperator(
        task_id="runs_on",
        task_definition="{{ var.json.ecs_run_task.family_prefix }}runs-on",
        awslogs_stream_prefix="runs-on/main",
        **DEFAULTS,
    )

# The stack's own definitions are none of a DAG's business.
with DAG("image_of_the_stack", schedule=None, render_template_as_native_obj=True):
    EcsRunTaskOperator(
        task_id="refused",
        task_definition="{{ var.json.ecs_run_task.family_prefix[:-5] }}command",
        awslogs_stream_prefix="refused/main",
        **DEFAULTS,
    )
