"""Every unit test starts without the developer's AWS account and without a function's settings."""

import os

import pytest

_FUNCTION_SETTINGS = {
    "ASSIGN_PUBLIC_IP",
    "CERTIFICATE_ARN",
    "CLUSTER_ARN",
    "COMMAND_LOG_GROUP_NAME",
    "COMMAND_TASK_DEFINITION_ARN",
    "DAG_BUCKET_NAME",
    "DAG_FILES_OF_CLASS",
    "DAG_RELEASES",
    "DATABASE_INSTANCE_ID",
    "DATABASE_RETENTION_DAYS",
    "EXECUTORS",
    "NOTIFICATION_TOPIC_ARN",
    "OPERATOR_CLUSTER_NAME",
    "QUEUE_URL",
    "ROTATION_TASK_ROLE_ARN",
    "SECRET_ARNS",
    "SECURITY_GROUP_IDS",
    "STACK_NAME",
    "STATE_BUCKET_NAME",
    "SUBNET_IDS",
    "TICK_ROLE_ARN",
    "TICK_SCHEDULE_GROUP_NAME",
    "TICK_SCHEDULE_NAME",
    "WORKER_AHEAD_MAX_COUNT",
    "WORKER_FLEETS",
    "WORKER_MAX_COUNT",
    "WORKER_QUEUE_NAMES",
    "WORKER_SIZE",
    "WORKER_TASK_DEFINITION_ARN",
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("AWS_", "POWERTOOLS_")) or name in _FUNCTION_SETTINGS:
            monkeypatch.delenv(name)
    # Were a call to leave the test, it would find no account to reach.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
