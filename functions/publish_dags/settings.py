"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from publish_dags.checks.limits import Limits
from shared.settings import Environment


@dataclass(frozen=True)
class PublishDagsSettings:
    stack_name: str
    bucket_name: str
    limits: Limits
    releases_kept: int
    release_days: int
    notification_topic_arn: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "PublishDagsSettings":
        environment = Environment(values)
        return cls(
            stack_name=environment.text("STACK_NAME"),
            bucket_name=environment.text("DAG_BUCKET_NAME"),
            limits=Limits.of_mib(
                files=environment.whole_number("DAG_FILES_MAX_COUNT"),
                total_mib=environment.whole_number("DAG_FILES_MAX_MIB"),
            ),
            releases_kept=environment.whole_number("DAG_RELEASES_KEPT"),
            release_days=environment.whole_number("DAG_RELEASE_DAYS"),
            notification_topic_arn=environment.text("NOTIFICATION_TOPIC_ARN"),
        )
