"""A stand-in for the `docker` Python module, through which ministack drives ECS.

It has only what ministack 1.5.33's ECS calls; other services that ask for a container or an image
get an error.
"""

import sys
import types
from typing import Any

from embedded_aws.containers import runtime
from embedded_aws.containers.interface import APIError, DockerException
from embedded_aws.containers.runtime import ImageNotFound, NotFound
from embedded_aws.settings import Settings


class _LocalImage:
    def __init__(self, name: str) -> None:
        self.tags = [name]

    def tag(self, *_: Any, **__: Any) -> bool:
        return True


class Images:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get(self, name: str) -> _LocalImage:
        runtime.image_named(self._settings, name)
        return _LocalImage(name)

    def pull(self, name: str, **_: Any) -> _LocalImage:
        return self.get(name)

    def get_registry_data(self, name: str, **_: Any) -> None:
        raise NotFound(f"{name}: local images have no registry")


class Client:
    def __init__(self, settings: Settings) -> None:
        self.containers = runtime.install(settings)
        self.images = Images(settings)

    def ping(self) -> bool:
        return True


def install(settings: Settings) -> None:
    client = Client(settings)
    docker = types.ModuleType("docker")
    errors = types.ModuleType("docker.errors")
    for error in (DockerException, NotFound, ImageNotFound, APIError):
        setattr(errors, error.__name__, error)
    vars(docker).update(
        errors=errors,
        from_env=lambda **_: client,
        DockerClient=lambda *_, **__: client,
    )
    sys.modules["docker"] = docker
    sys.modules["docker.errors"] = errors
