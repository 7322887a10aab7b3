"""ECS on Fargate: clusters, task definitions, tasks and services."""
