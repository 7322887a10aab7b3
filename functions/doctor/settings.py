"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.settings import Environment
from shared.worker_fleets import WorkerSize, queue_names


@dataclass(frozen=True)
class DoctorSettings:
    stack_name: str
    cluster_arn: str
    state_bucket_name: str
    dag_bucket_name: str
    # Empty where the broker is Valkey, whose messages the scheduler counts.
    queue_url: str
    queues: tuple[str, ...]
    subnet_ids: tuple[str, ...]
    database_instance_id: str
    secret_arns: tuple[str, ...]
    # Empty where the stack has none that you brought.
    certificate_arn: str
    notification_topic_arn: str
    worker_size: WorkerSize
    worker_max_count: int

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "DoctorSettings":
        environment = Environment(values)
        return cls(
            stack_name=environment.text("STACK_NAME"),
            cluster_arn=environment.text("CLUSTER_ARN"),
            state_bucket_name=environment.text("STATE_BUCKET_NAME"),
            dag_bucket_name=environment.text("DAG_BUCKET_NAME"),
            queue_url=environment.optional_text("QUEUE_URL"),
            queues=queue_names(environment.optional_text("WORKER_QUEUE_NAMES")),
            subnet_ids=environment.items("SUBNET_IDS"),
            database_instance_id=environment.text("DATABASE_INSTANCE_ID"),
            secret_arns=environment.items("SECRET_ARNS"),
            certificate_arn=environment.optional_text("CERTIFICATE_ARN"),
            notification_topic_arn=environment.text("NOTIFICATION_TOPIC_ARN"),
            worker_size=WorkerSize.from_text(environment.text("WORKER_SIZE")),
            worker_max_count=environment.whole_number("WORKER_MAX_COUNT"),
        )

    @property
    def certificate_region(self) -> str:
        """A certificate of CloudFront is in us-east-1, wherever the stack is."""
        return self.certificate_arn.split(":")[3]
