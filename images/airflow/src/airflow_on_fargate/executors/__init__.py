"""Executors beside Celery, which a task names with `executor=` (docs/executors.md).

`ecs` is the scheduler's side of the ECS executor, `ecs_options` checks what a DAG asks of it,
`workloads` hands a task over without showing its token, and `run_workload` is what runs in the
container.
"""
