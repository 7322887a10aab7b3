"""What a container image means here: the command line and environment of a local process."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedded_aws.settings import Image


@dataclass(frozen=True)
class Launch:
    argv: tuple[str, ...]
    env: Mapping[str, str]


class NothingToRunError(ValueError):
    """Neither the image nor the task definition says what to run."""


def launch_of(
    image: Image,
    *,
    entrypoint: Sequence[str] | None,
    command: Sequence[str] | None,
    env: Mapping[str, str],
    container_dir: str,
    task_ip: str,
) -> Launch:
    """Combine an image with a container definition by Docker's rules.

    An entry point from the container definition also takes away the image's command.
    """
    if entrypoint:
        argv = [*entrypoint, *(command or ())]
    else:
        argv = [*image.entrypoint, *(command or image.command)]
    if not argv:
        raise NothingToRunError("the container has no entry point and no command")
    placeholders = {"{container_dir}": container_dir, "{task_ip}": task_ip}
    return Launch(
        tuple(argv),
        {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": container_dir,
            "TMPDIR": container_dir,
            "LANG": "C.UTF-8",
            **filled_environment(image, placeholders),
            **env,
        },
    )


def filled_environment(image: Image, placeholders: Mapping[str, str]) -> dict[str, str]:
    """The image's variables, with a container's values in place of the placeholders."""
    return {name: _filled(value, placeholders) for name, value in (image.env or {}).items()}


def _filled(value: str, placeholders: Mapping[str, str]) -> str:
    # Not str.format: values such as JSON contain braces.
    for placeholder, replacement in placeholders.items():
        value = value.replace(placeholder, replacement)
    return value
