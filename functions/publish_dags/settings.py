"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.queues import queue_places
from publish_dags.checks.limits import Limits
from shared.dag_releases import read_dag_releases
from shared.settings import Environment, SettingError
from shared.worker_fleets import queue_names


@dataclass(frozen=True)
class PublishDagsSettings:
    stack_name: str
    bucket_name: str
    limits: Limits
    strict: bool
    releases_kept: int
    release_days: int
    notification_topic_arn: str
    queues: tuple[str, ...]
    isolated_queues: tuple[str, ...]
    executors: tuple[str, ...]
    dag_files_of_class: int

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "PublishDagsSettings":
        environment = Environment(values)
        described, problems = read_dag_releases(environment.text("DAG_RELEASES"))
        if problems:
            raise SettingError(" ".join(problems))
        listed = environment.optional_text("WORKER_QUEUE_NAMES")
        return cls(
            stack_name=environment.text("STACK_NAME"),
            bucket_name=environment.text("DAG_BUCKET_NAME"),
            limits=Limits.of_mib(described.max_files, described.max_mib),
            strict=described.strict,
            releases_kept=described.kept,
            release_days=described.kept_days,
            notification_topic_arn=environment.text("NOTIFICATION_TOPIC_ARN"),
            queues=queue_names(listed),
            isolated_queues=tuple(each.name for each in queue_places(listed) if each.is_isolated),
            executors=environment.items("EXECUTORS"),
            dag_files_of_class=environment.whole_number("DAG_FILES_OF_CLASS"),
        )
