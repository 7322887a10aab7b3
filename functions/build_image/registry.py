"""Registries of base images, by the OCI distribution API: the public ECR and every other one.

Anonymous reads: a registry that asks for a token gets one from the service that it names. Every
document and every layer is compared with its digest.
"""

import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from build_image.errors import BaseImageError
from build_image.model import ARCHITECTURES, BaseImage, Layer

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_GZIP_LAYERS = (
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_LOCAL_HOSTS = ("localhost", "127.0.0.1")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT_SECONDS = 30
_WAITS_SECONDS = (1, 2, 4, 8, 15)
_MAX_DOCUMENT_BYTES = 8 * 2**20
_BLOCK_BYTES = 2**20
_REPEATABLE = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Reference:
    """Where an image is: host/path:tag, host/path@digest, or both."""

    host: str
    path: str
    version: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """BaseImageError for anything that names no registry or no version."""
        name, _, digest = text.partition("@")
        host, _, path = name.partition("/")
        path, _, tag = path.partition(":")
        if not path or ("." not in host and ":" not in host and host != "localhost"):
            raise BaseImageError(
                f"The base image {text!r} names no registry: write it as registry/name:tag, such "
                "as public.ecr.aws/docker/library/python:3.13-slim-bookworm."
            )
        if digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise BaseImageError(f"The base image {text!r} has a digest that is not a SHA-256.")
        return cls(host, path, digest or tag or "latest")


class OciRegistry:
    """See BaseImages in ports."""

    def __init__(self, mirror: str = "", sleep: Callable[[float], None] = time.sleep) -> None:
        self._mirror = mirror.rstrip("/")
        self._sleep = sleep
        self._tokens: dict[tuple[str, str], str] = {}

    def find(self, reference: str, architecture: str) -> BaseImage:
        where = Reference.parse(reference)
        digest, document = self._manifest(reference, where, where.version)
        if "manifests" in document:
            wanted = ARCHITECTURES[architecture]
            found = [one["digest"] for one in document["manifests"] if _is_for(one, wanted)]
            if not found:
                raise BaseImageError(
                    f"The base image {reference} is not made for {wanted}: choose another base "
                    "image, or the other processor in Options."
                )
            digest, document = self._manifest(reference, where, found[0])
        config = self._config(reference, where, document)
        wanted = ARCHITECTURES[architecture]
        if config.get("architecture") != wanted:
            raise BaseImageError(
                f"The base image {reference} is made for {config.get('architecture')}, and the "
                f"stack runs on {wanted}: choose another base image, or the other processor in "
                "Options."
            )
        return BaseImage(digest, config, _layers(reference, document, config))

    def digest_of(self, reference: str) -> str:
        """The digest of what a reference names now: an index of several processors, or an image."""
        where = Reference.parse(reference)
        return self._manifest(reference, where, where.version)[0]

    def fetch(self, reference: str, layer: Layer, target: Path) -> None:
        where = Reference.parse(reference)
        sha = hashlib.sha256()
        for wait in (*_WAITS_SECONDS, None):
            try:
                sha = hashlib.sha256()
                with (
                    self._open(reference, where, f"blobs/{layer.digest}", ()) as answer,
                    target.open("wb") as out,
                ):
                    while block := answer.read(_BLOCK_BYTES):
                        sha.update(block)
                        out.write(block)
                if target.stat().st_size >= layer.size:
                    break
            except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
                if wait is None:
                    raise _unreachable(reference, error) from error
            if wait is not None:
                self._sleep(wait)
        if f"sha256:{sha.hexdigest()}" != layer.digest:
            raise BaseImageError(
                f"A layer of the base image {reference} arrived damaged: its digest is not "
                f"{layer.digest}. Deploy again."
            )

    def _config(
        self, reference: str, where: Reference, document: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        try:
            digest = str(document["config"]["digest"])
        except (KeyError, TypeError) as error:
            raise BaseImageError(
                f"The base image {reference} has a manifest of a kind that is not known here: "
                "choose an OCI image or a Docker image of version 2."
            ) from error
        return _parsed(reference, self._document(reference, where, f"blobs/{digest}", digest, ()))

    def _manifest(
        self, reference: str, where: Reference, version: str
    ) -> tuple[str, Mapping[str, Any]]:
        expected = version if version.startswith("sha256:") else ""
        accepted = (*_INDEX_TYPES, *_MANIFEST_TYPES)
        content = self._document(reference, where, f"manifests/{version}", expected, accepted)
        return f"sha256:{hashlib.sha256(content).hexdigest()}", _parsed(reference, content)

    def _document(
        self,
        reference: str,
        where: Reference,
        path: str,
        digest: str,
        accepted: tuple[str, ...],
    ) -> bytes:
        with self._open(reference, where, path, accepted) as answer:
            content: bytes = answer.read(_MAX_DOCUMENT_BYTES)
        if digest and f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise BaseImageError(
                f"The base image {reference} arrived damaged: {path} has another digest. Deploy "
                "again."
            )
        return content

    def _open(self, reference: str, where: Reference, path: str, accepted: tuple[str, ...]) -> Any:
        """The answer to a GET; asks for a token once, and repeats what may succeed later."""
        url = f"{self._base(where)}/v2/{where.path}/{path}"
        waits = iter(_WAITS_SECONDS)
        while True:
            token = self._tokens.get((where.host, where.path))
            try:
                return urllib.request.urlopen(  # noqa: S310 - https, or this machine
                    _request(url, accepted, token), timeout=_TIMEOUT_SECONDS
                )
            except urllib.error.HTTPError as error:
                with error:
                    challenge = error.headers.get("WWW-Authenticate", "")
                    if error.code == 401 and token is None and challenge:
                        self._tokens[where.host, where.path] = self._token(reference, challenge)
                        continue
                    if error.code in (401, 403, 404):
                        raise BaseImageError(
                            f"The base image {reference} does not exist or is not public "
                            f"(HTTP status {error.code}): name another one in "
                            "images/airflow/Dockerfile."
                        ) from error
                    wait = next(waits, None)
                    if error.code not in _REPEATABLE or wait is None:
                        raise _unreachable(reference, f"HTTP status {error.code}") from error
            except (OSError, http.client.HTTPException) as error:
                wait = next(waits, None)
                if wait is None:
                    raise _unreachable(reference, error) from error
            self._sleep(wait)

    def _token(self, reference: str, challenge: str) -> str:
        fields = dict(_CHALLENGE.findall(challenge))
        realm = fields.pop("realm", "")
        if not realm.startswith("https://"):
            raise _unreachable(reference, f"it asks for {challenge!r}")
        url = f"{realm}?{urllib.parse.urlencode(fields)}"
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                document = json.loads(answer.read(_MAX_DOCUMENT_BYTES))
            return str(document.get("token") or document["access_token"])
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            raise _unreachable(reference, f"no token from {realm}: {error}") from error

    def _base(self, where: Reference) -> str:
        if self._mirror:
            return self._mirror
        local = where.host.partition(":")[0] in _LOCAL_HOSTS
        return f"{'http' if local else 'https'}://{where.host}"


def _request(url: str, accepted: tuple[str, ...], token: str | None) -> urllib.request.Request:
    request = urllib.request.Request(url)  # noqa: S310 - built above
    if accepted:
        request.add_header("Accept", ", ".join(accepted))
    if token:
        # Not sent on to the store of layers that the registry redirects to.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _is_for(entry: Mapping[str, Any], architecture: str) -> bool:
    platform = entry.get("platform") or {}
    return platform.get("os") == "linux" and platform.get("architecture") == architecture


def _layers(
    reference: str, document: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[Layer, ...]:
    layers = document.get("layers") or []
    diff_ids = config.get("rootfs", {}).get("diff_ids") or []
    if len(layers) != len(diff_ids) or not layers:
        raise BaseImageError(f"The base image {reference} does not describe its layers.")
    for layer in layers:
        if layer.get("mediaType") not in _GZIP_LAYERS:
            raise BaseImageError(
                f"The base image {reference} has a layer of the type {layer.get('mediaType')}, and "
                "the builder reads layers that are compressed with gzip: choose another base image."
            )
    return tuple(
        Layer(str(layer["digest"]), str(diff_id), int(layer["size"]))
        for layer, diff_id in zip(layers, diff_ids, strict=True)
    )


def _parsed(reference: str, content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BaseImageError(f"The base image {reference} is described by invalid JSON.") from error
    if not isinstance(document, dict):
        raise BaseImageError(f"The base image {reference} is not described by a JSON object.")
    return document


def _unreachable(reference: str, problem: object) -> BaseImageError:
    return BaseImageError(
        f"The registry of the base image {reference} cannot be used at the moment ({problem}): "
        "deploy again later, or name another registry in images/airflow/Dockerfile."
    )
