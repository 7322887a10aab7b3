"""EcsRunTaskOperator out of the box: another image as a Fargate task, its log in the task's log.

It needs Executors=celery,ecs, and a task definition whose family begins with `<stack>-task-`:
docs/executors.md shows how to register one. The Variable `ecs_run_task` exists in every worker.
"""

from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator
from airflow.sdk import DAG, task

# Rendered where the task runs, so parsing this file asks for no Variable. As native objects,
# because the network is a dictionary.
with DAG("run_another_image", schedule=None, render_template_as_native_obj=True):
    hello = EcsRunTaskOperator(
        task_id="hello",
        cluster="{{ var.json.ecs_run_task.cluster }}",
        task_definition="{{ var.json.ecs_run_task.family_prefix }}hello",
        launch_type="FARGATE",
        network_configuration="{{ var.json.ecs_run_task.network_configuration }}",
        # The container has the name that the task definition gives it.
        container_name="main",
        overrides={
            "containerOverrides": [
                {"name": "main", "environment": [{"name": "RUN", "value": "{{ run_id }}"}]}
            ]
        },
        awslogs_group="{{ var.json.ecs_run_task.awslogs_group }}",
        awslogs_region="{{ var.json.ecs_run_task.awslogs_region }}",
        awslogs_stream_prefix="hello/main",
    )

    @task
    def last_line(text):
        print("the last line was:", text)

    last_line(hello.output)
