"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_image.model import ARCHITECTURES
from shared.settings import Environment, SettingError


@dataclass(frozen=True)
class BuildImageSettings:
    repository_name: str
    repository_uri: str
    architecture: str
    # Where Lambda unpacks the layer with the source of the image.
    source_folder: Path
    # Replaces the Dockerfile's base image; empty for that.
    base_image: str
    # Another registry that has the images of public registries, such as a pull-through cache.
    base_mirror: str
    # Where CodeBuild finds the source; empty without CodeBuild.
    source_bucket: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "BuildImageSettings":
        environment = Environment(values)
        architecture = environment.text("IMAGE_ARCHITECTURE")
        if architecture not in ARCHITECTURES:
            raise SettingError(
                f"The environment variable IMAGE_ARCHITECTURE must be one of "
                f"{', '.join(ARCHITECTURES)}: {architecture!r}"
            )
        return cls(
            repository_name=environment.text("REPOSITORY_NAME"),
            repository_uri=environment.text("REPOSITORY_URI"),
            architecture=architecture,
            source_folder=Path(environment.text("IMAGE_SOURCE")),
            base_image=environment.optional_text("BASE_IMAGE"),
            base_mirror=environment.optional_text("BASE_IMAGE_MIRROR"),
            source_bucket=environment.optional_text("SOURCE_BUCKET"),
        )
