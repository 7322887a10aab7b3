"""Images of ECR, as the containers of tasks run them on this machine.

In podman it is the very image: podman pulls it from the registry of the embedded AWS.

As a local process it is the image's configuration and the image's files, with this machine's
interpreter (`image_python`) in the place of the image's own. The files under /opt are unpacked into
a folder, and a variable that names a path there names that folder instead. The packages of the
interpreter come from this machine, so the image need not contain them; those that it contains are
found as well, after its code.
"""

import json
import os
import re
import shutil
import tarfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ministack.services import ecr

from embedded_aws.containers import runtime
from embedded_aws.containers.interface import APIError
from embedded_aws.containers.podman import client
from embedded_aws.settings import Image, Settings

_NAME = re.compile(
    r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9._/-]+)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_TOP = "opt"
_INTERPRETER = "python"
_SITE_PACKAGES = "opt/venv/lib/python3*/site-packages"
_PULL_SECONDS = 900
_lock = threading.Lock()


def install(settings: Settings) -> None:
    as_image = _pulled_by_podman if settings.runtime == "podman" else _as_process

    def find(name: str) -> Image | None:
        stored = stored_image(name)
        return as_image(settings, repository_of(name), stored) if stored else None

    runtime.add_image_source(find)


def repository_of(image: str) -> str:
    """The repository of an image's name; empty for an image that is not named as ECR does."""
    found = _NAME.fullmatch(image)
    return found["repository"] if found else ""


def stored_image(name: str) -> Mapping[str, Any] | None:
    """The image that ECR has under this name, if any."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    digest, tag = found["digest"], found["tag"] or "latest"
    stored: Mapping[str, Any] | None = ecr._find_image(
        found["repository"], {"imageDigest": digest} if digest else {"imageTag": tag}
    )
    return stored


def _pulled_by_podman(settings: Settings, repository: str, stored: Mapping[str, Any]) -> Image:
    registry = f"127.0.0.1:{settings.endpoint_port}"
    reference = f"{registry}/{repository}@{stored['imageDigest']}"
    with _lock:
        if client.call("image", "exists", reference).returncode:
            pulled = client.call(
                "pull", "--quiet", "--tls-verify=false", reference, timeout=_PULL_SECONDS
            )
            if pulled.returncode:
                raise APIError(f"podman: {pulled.stderr.strip()}")
    return Image(env=settings.image_env, reference=reference)


def _as_process(settings: Settings, repository: str, stored: Mapping[str, Any]) -> Image | None:
    python = settings.image_python
    if python is None:
        return None
    blobs = ecr._layer_blobs[repository]
    manifest = json.loads(stored["imageManifest"])
    config = json.loads(blobs[manifest["config"]["digest"]])["config"]
    root = settings.state_dir / "images" / str(stored["imageDigest"]).replace(":", "-")
    with _lock:
        if not root.exists():
            layers = [blobs.path(layer["digest"]) for layer in manifest["layers"]]
            _unpack(layers, root)
    places = _places(config, root)
    declared = dict(entry.split("=", 1) for entry in config.get("Env") or ())
    env = {name: places(value) for name, value in declared.items()}
    packages = [str(folder) for folder in root.glob(_SITE_PACKAGES)]
    env["PYTHONPATH"] = ":".join([*filter(None, [env.get("PYTHONPATH")]), *packages])
    # The programs of the image are those of this machine.
    env["PATH"] = f"{python.parent}:{os.environ.get('PATH', os.defpath)}"
    local = {
        name: value.replace("{image_dir}", str(root)) for name, value in settings.image_env.items()
    }
    env |= {"HOME": "{container_dir}", "LANG": "C.UTF-8", **local}
    words = [str(python) if word == _INTERPRETER else word for word in config["Entrypoint"]]
    return Image(tuple(words), tuple(config.get("Cmd") or ()), env)


def _places(config: Mapping[str, Any], root: Path) -> Callable[[str], str]:
    """Where a path of the image is on this machine; other values stay as they are."""
    volumes = config.get("Volumes") or {}

    def place(value: str) -> str:
        if value in volumes:
            return f"{{container_dir}}/{Path(value).name}"
        return f"{root}{value}" if value.startswith(f"/{_TOP}/") else value

    return place


def _unpack(layers: list[Path], root: Path) -> None:
    """The files under /opt; links lead out of the folder, and lead to programs only."""
    unfinished = root.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for layer in layers:
        with tarfile.open(layer) as tar:
            members = [
                member
                for member in tar
                if member.name.startswith(f"{_TOP}/") and (member.isfile() or member.isdir())
            ]
            tar.extractall(unfinished, members, filter="data")
    unfinished.rename(root)
