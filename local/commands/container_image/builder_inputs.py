"""What the stack's image builder finds on this machine in the place of the internet.

The function build_image runs as on AWS: it reads a base image from a registry, installs packages
with uv, and stores layers in ECR. Where tasks are local processes, nobody unpacks a base image, and
the packages are those of `.venv/airflow`. So the base image is a few files, and the packages of the
lock file are not installed once more (`uv_for_processes`). With RUNTIME=podman both are real.
"""

import gzip
import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from commands.container_image import base, engines
from commands.steps import Steps
from commands.workspace import CommandError, Workspace, venv_python

# A registry that does not exist: the builder reads its images from the embedded ECR.
BASE_IMAGE = "this-machine.local/airflow-base:stand-in"
_REPOSITORY, _TAG = BASE_IMAGE.partition("/")[2].split(":")
_UV = Path(__file__).with_name("uv_for_processes.py")
_ARCHITECTURES = ("amd64", "arm64")
_CONFIG = "application/vnd.oci.image.config.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def function_environment(workspace: Workspace, runtime: str) -> dict[str, str]:
    """The variables by which the builder finds its inputs. Write them before the first function."""
    folder = workspace.state_dir / "uv"
    program = folder / "bin" / "uv"
    program.parent.mkdir(parents=True, exist_ok=True)
    words = [str(venv_python("uv").parent / "uv")]
    if runtime == "processes":
        environment = venv_python("airflow").parents[1]
        words = [str(venv_python("tools")), str(_UV), str(environment), *words]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    program.chmod(0o755)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return {
        # What `make install` has downloaded is not downloaded again.
        "UV_CACHE_DIR": str(caches / "uv"),
        "UV_SYSTEM_CERTS": "1",
        # The index of this machine.
        **{name: value for name, value in os.environ.items() if name.startswith("UV_")},
        "UV_FOLDER": str(folder),
        "BASE_IMAGE": BASE_IMAGE,
        "BASE_IMAGE_MIRROR": workspace.endpoint,
    }


def provide_base(workspace: Workspace, runtime: str) -> None:
    """Store the base image in the embedded ECR, unless it is there.

    Raises:
        CommandError: with podman, no base image can be fetched or made.
    """
    ecr = workspace.client("ecr")
    try:
        ecr.create_repository(repositoryName=_REPOSITORY)
    except ecr.exceptions.RepositoryAlreadyExistsException:
        return
    if runtime == "podman":
        _push_with_podman(workspace)
    else:
        _push_stand_in(ecr)


def _push_with_podman(workspace: Workspace) -> None:
    found = base.provide(engines.PODMAN, Steps())
    target = f"127.0.0.1:{workspace.aws_port}/{_REPOSITORY}:{_TAG}"
    done = subprocess.run(
        ["podman", "push", "--quiet", "--tls-verify=false", "--format", "oci", found.name, target],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise CommandError(f"podman push {target} failed: {done.stderr.strip()}")


def _push_stand_in(ecr: Any) -> None:
    """One layer for both processors: nothing in it is ever run."""
    layer = _stand_in_layer()
    plain = gzip.decompress(layer)
    described = [{"mediaType": _LAYER, **_push_blob(ecr, layer)}]
    manifests = []
    for architecture in _ARCHITECTURES:
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        }
        stored = _push_blob(ecr, json.dumps(config).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, **stored},
            "layers": described,
        }
        platform = {"os": "linux", "architecture": architecture}
        found = _put(ecr, manifest, {})
        manifests.append({"mediaType": _MANIFEST, **found, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    _put(ecr, index, {"imageTag": _TAG})


def _push_blob(ecr: Any, content: bytes) -> dict[str, Any]:
    digest = _digest(content)
    if not _has(ecr, digest):
        upload = ecr.initiate_layer_upload(repositoryName=_REPOSITORY)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=_REPOSITORY, uploadId=upload, layerPartBlob=content,
            partFirstByte=0, partLastByte=len(content) - 1,
        )  # fmt: skip
        ecr.complete_layer_upload(
            repositoryName=_REPOSITORY, uploadId=upload, layerDigests=[digest]
        )
    return {"digest": digest, "size": len(content)}


def _has(ecr: Any, digest: str) -> bool:
    (found,) = ecr.batch_check_layer_availability(
        repositoryName=_REPOSITORY, layerDigests=[digest]
    )["layers"]
    return bool(found["layerAvailability"] == "AVAILABLE")


def _put(ecr: Any, document: dict[str, Any], tag: dict[str, str]) -> dict[str, Any]:
    text = json.dumps(document)
    kind = document["mediaType"]
    ecr.put_image(
        repositoryName=_REPOSITORY, imageManifest=text, imageManifestMediaType=kind, **tag
    )
    return {"digest": _digest(text.encode()), "size": len(text)}


def _stand_in_layer() -> bytes:
    """What the builder looks for in a base image: accounts, and its own version of Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": "root:x:0:\n",
        f"usr/local/bin/python{version}": "The image runs with the Python of this machine.\n",
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("usr/local/bin/python")
        link.type, link.linkname = tarfile.SYMTYPE, f"python{version}"
        tar.addfile(link)
    return gzip.compress(out.getvalue(), mtime=0)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
