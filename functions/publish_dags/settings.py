"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.settings import Environment


@dataclass(frozen=True)
class PublishDagsSettings:
    bucket_name: str
    source_prefix: str
    release_prefix: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "PublishDagsSettings":
        environment = Environment(values)
        return cls(
            bucket_name=environment.text("DAG_BUCKET_NAME"),
            source_prefix=environment.text("SOURCE_PREFIX"),
            release_prefix=environment.text("RELEASE_PREFIX"),
        )
