"""`docker`, as a build of the image uses it: podman builds, and ECR's API takes the image.

Images that a build names without a registry belong to it alone. A base image with a registry in
its name is looked for in the embedded ECR first. The push makes the calls of `docker push`, with
the credentials of the build, so that ECR refuses what it refuses on AWS.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from embedded_aws.containers.podman.client import call, command, own_environment

_PART_BYTES = 20 * 2**20
_IMAGE = re.compile(
    r"(?P<registry>\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)/"
    r"(?P<repository>[a-z0-9._/-]+):(?P<tag>[\w.-]+)"
)
# What only buildx knows, or what podman does anyway.
_LEFT_OUT = ("--load", "--provenance=false", "--progress=plain")
_WITH_VALUE = ("--build-arg", "--label", "--file", "--tag")
_CERTIFICATES = Path("/etc/ssl/certs")
# The file with the names that a build has given to its images.
_MADE = "images"
# What a build pushes, in podman's storage.
_PUSHED = "pushed"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class DockerError(Exception):
    """The command fails with this message."""


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    try:
        match arguments:
            case ["login", "--username", "AWS", "--password-stdin", registry]:
                _login(registry, sys.stdin.read().strip())
            case ["buildx", "build", *options]:
                _build(options)
            case ["image", "inspect", "--format", template, image]:
                print(_podman("image", "inspect", "--format", template, _local(image)).strip())
            case ["tag", image, name]:
                _podman("tag", _local(image), _local(_PUSHED))
                _names().update(name)
            case ["push", name]:
                _push(name)
            case _:
                raise DockerError(f"not known on this machine: {' '.join(arguments)}")
    except DockerError as error:
        print(f"docker: {error}", file=sys.stderr)
        return 1
    return 0


class _Names:
    """The images that this build has made, by the names that it gave them."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __contains__(self, name: str) -> bool:
        return self._file.exists() and name in self._file.read_text().splitlines()

    def update(self, name: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as file:
            file.write(f"{name}\n")


def _names() -> _Names:
    return _Names(_config() / _MADE)


def _config() -> Path:
    return Path(os.environ["DOCKER_CONFIG"])


def _local(name: str, build: str = "") -> str:
    """The name in podman's storage: two builds may use the same one."""
    build = build or os.environ["CODEBUILD_BUILD_ID"]
    return f"localhost/{re.sub(r'[^a-z0-9]+', '-', build.lower())}/{name}"


def remove_images(build: str, config: Path) -> None:
    """Remove what a build has left in podman's storage, when it has ended."""
    file = config / _MADE
    names = {_PUSHED, *file.read_text().splitlines()} if file.exists() else set()
    for name in sorted(name for name in names if _IMAGE.fullmatch(name) is None):
        call("image", "rm", "--force", _local(name, build))


def _login(registry: str, password: str) -> None:
    if not password:
        raise DockerError("Error: Password Required")
    file = _config() / "config.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"auths": {registry: {}}}))
    print("Login Succeeded")


def _build(options: list[str]) -> None:
    words, made, rest = [], "", iter(options)
    for option in rest:
        if option in _LEFT_OUT:
            continue
        if option in _WITH_VALUE:
            value = next(rest)
            if option == "--tag":
                made, value = value, _local(value)
            if option == "--build-arg":
                name, _equals, given = value.partition("=")
                value = f"{name}={_base(given)}"
            words += [option, value]
        else:
            words.append(option)
    # The network needs no bridge, and what this machine trusts is trusted.
    more = ["--network", "host", "--format", "oci", "--tls-verify=false"]
    if _CERTIFICATES.is_dir():
        more += ["--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
    _require_podman()
    done = subprocess.run(command("build", *more, *words), env=own_environment(), check=False)
    if done.returncode:
        raise DockerError(f"the build failed with exit code {done.returncode}")
    _names().update(made)


def _base(value: str) -> str:
    """The image that an argument names, where podman finds it."""
    if value in _names():
        return _local(value)
    host, _slash, path = value.partition("/")
    if path and "@sha256:" in path and ("." in host or ":" in host):
        registry = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        here = f"{registry}/{path}"
        _require_podman()
        done = subprocess.run(
            command("pull", "--quiet", "--tls-verify=false", here),
            env=own_environment(), capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return here
    return value


def _push(name: str) -> None:
    found = _IMAGE.fullmatch(name)
    file = _config() / "config.json"
    if found is None or name not in _names():
        raise DockerError(f"An image does not exist locally with the tag: {name}")
    if not file.exists() or found["registry"] not in json.loads(file.read_text())["auths"]:
        raise DockerError("no basic auth credentials")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "image"
        _podman("push", "--quiet", "--format", "oci", _local(_PUSHED), f"dir:{target}")
        try:
            digest = _upload(target, found["repository"], found["tag"])
        except ClientError as error:
            details = error.response["Error"]
            message = details.get("Message") or details.get("message")
            raise DockerError(f"denied: {details['Code']}: {message}") from error
    print(f"{found['tag']}: digest: {digest}")


def _upload(image: Path, repository: str, tag: str) -> str:
    make: Any = boto3.client
    ecr = make("ecr")
    ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])
    manifest = json.loads((image / "manifest.json").read_text())
    blobs = [manifest["config"], *manifest["layers"]]
    for blob in blobs:
        content = _content(image, blob)
        digest = _digest(content)
        blob |= {"digest": digest, "size": len(content)}
        _upload_blob(ecr, repository, content, digest)
    text = json.dumps(manifest)
    ecr.put_image(
        repositoryName=repository,
        imageManifest=text,
        imageManifestMediaType=manifest["mediaType"],
        imageTag=tag,
    )
    return _digest(text.encode())


def _content(image: Path, blob: dict[str, Any]) -> bytes:
    """A blob; podman does not compress what it writes into a folder."""
    content: bytes = (image / blob["digest"].partition(":")[2]).read_bytes()
    if blob["mediaType"].endswith(".tar"):
        blob["mediaType"] = _LAYER
        content = gzip.compress(content, compresslevel=1, mtime=0)
    return content


def _upload_blob(ecr: Any, repository: str, content: bytes, digest: str) -> None:
    (known,) = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])[
        "layers"
    ]
    if known["layerAvailability"] == "AVAILABLE":
        return
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    for first, part in _parts(content):
        ecr.upload_layer_part(
            repositoryName=repository, uploadId=upload, layerPartBlob=part,
            partFirstByte=first, partLastByte=first + len(part) - 1,
        )  # fmt: skip
    ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    for first in range(0, len(content), _PART_BYTES):
        yield first, content[first : first + _PART_BYTES]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _podman(*arguments: str) -> str:
    _require_podman()
    done = subprocess.run(
        command(*arguments), env=own_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DockerError(done.stderr.strip())
    return done.stdout


def _require_podman() -> None:
    if not shutil.which("podman"):
        raise DockerError(
            "this machine has no podman, so nothing can be built here: apt-get install podman runc "
            "catatonit"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
