"""The repository in ECR, by ECR's own API: no Docker, no login."""

import errno
import hashlib
import http.client
import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import ClientError

from build_image.errors import RegistryError
from build_image.image import MANIFEST_TYPE
from shared.aws.named_errors import error_code, named_errors
from shared.errors import AwsCallError

# ECR takes parts of at most 20 MiB; this is what one call holds in memory.
PART_BYTES = 20 * 2**20
_RECENT_IMAGES = 5
_MAX_DESCRIBED = 1000
_CONFIG_BYTES = 4 * 2**20
_TIMEOUT_SECONDS = 30
_DOWNLOADS = 3
_THROTTLED = (
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "TooManyRequestsException",
)


class ThrottledError(AwsCallError):
    """ECR accepts no more calls at the moment."""


class RepositoryMissingError(AwsCallError):
    """The repository does not exist."""


_NAMES: Mapping[str, type[AwsCallError]] = {
    "RepositoryNotFoundException": RepositoryMissingError,
    **dict.fromkeys(_THROTTLED, ThrottledError),
}


class EcrRepository:
    """See ImageRepository in ports."""

    def __init__(self, ecr: Any, name: str) -> None:
        self._ecr = ecr
        self._name = name

    def digest_of(self, tag: str) -> str | None:
        with self._errors(f"look for the image {tag}"):
            try:
                found = self._ecr.describe_images(
                    repositoryName=self._name, imageIds=[{"imageTag": tag}]
                )
            except ClientError as error:
                if error_code(error) == "ImageNotFoundException":
                    return None
                raise
        details = found["imageDetails"]
        return str(details[0]["imageDigest"]) if details else None

    def recent_labels(self) -> Sequence[Mapping[str, str]]:
        with self._errors("list the images"):
            pages = self._ecr.get_paginator("describe_images").paginate(
                repositoryName=self._name,
                filter={"tagStatus": "TAGGED"},
                PaginationConfig={"MaxItems": _MAX_DESCRIBED},
            )
            details = [one for page in pages for one in page["imageDetails"]]
        details.sort(key=lambda one: one["imagePushedAt"], reverse=True)
        digests = [{"imageDigest": one["imageDigest"]} for one in details[:_RECENT_IMAGES]]
        if not digests:
            return []
        with self._errors("read the images"):
            images = self._ecr.batch_get_image(
                repositoryName=self._name, imageIds=digests, acceptedMediaTypes=[MANIFEST_TYPE]
            )["images"]
        by_digest = {one["imageId"]["imageDigest"]: one["imageManifest"] for one in images}
        return [
            self._labels(by_digest[one["imageDigest"]])
            for one in digests
            if one["imageDigest"] in by_digest
        ]

    def has_layers(self, digests: Sequence[str]) -> bool:
        with self._errors("look for layers"):
            found = self._ecr.batch_check_layer_availability(
                repositoryName=self._name, layerDigests=list(dict.fromkeys(digests))
            )
        available = {
            layer["layerDigest"]
            for layer in found["layers"]
            if layer["layerAvailability"] == "AVAILABLE"
        }
        return available.issuperset(digests)

    def push_layer(self, file: Path, digest: str) -> None:
        if self.has_layers([digest]):
            return
        with self._errors("upload a layer"):
            upload = self._ecr.initiate_layer_upload(repositoryName=self._name)["uploadId"]
            with file.open("rb") as content:
                for first, part in _parts(content):
                    self._push_part(upload, first, part)
            try:
                self._ecr.complete_layer_upload(
                    repositoryName=self._name, uploadId=upload, layerDigests=[digest]
                )
            except ClientError as error:
                # Another call was faster, or this is the repetition of a call that succeeded.
                if error_code(error) != "LayerAlreadyExistsException":
                    raise

    def fetch_layer(self, digest: str, target: Path) -> None:
        problem: object = ""
        for _attempt in range(_DOWNLOADS):
            sha = hashlib.sha256()
            url = self._download_url(digest)
            try:
                with (
                    urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer,  # noqa: S310
                    target.open("wb") as out,
                ):
                    while block := answer.read(PART_BYTES):
                        sha.update(block)
                        out.write(block)
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise
                problem = error
                continue
            if f"sha256:{sha.hexdigest()}" == digest:
                return
            problem = "it arrived damaged"
        raise RegistryError(
            f"Could not read a layer of the repository {self._name} ({problem}): deploy again."
        )

    def put_image(self, manifest: bytes, digest: str, tag: str) -> str:
        with self._errors("store the image"):
            try:
                self._ecr.put_image(
                    repositoryName=self._name,
                    imageManifest=manifest.decode(),
                    imageManifestMediaType=MANIFEST_TYPE,
                    imageTag=tag,
                    imageDigest=digest,
                )
            except ClientError as error:
                if error_code(error) == "ImageAlreadyExistsException":
                    return digest
                if error_code(error) != "ImageTagAlreadyExistsException":
                    raise
                stored = self.digest_of(tag)
                if stored is None:
                    raise
                return stored
        return digest

    def _push_part(self, upload: str, first: int, part: bytes) -> None:
        last = first + len(part) - 1
        try:
            self._ecr.upload_layer_part(
                repositoryName=self._name,
                uploadId=upload,
                partFirstByte=first,
                partLastByte=last,
                layerPartBlob=part,
            )
        except ClientError as error:
            # The answer to a part that arrived was lost, and the call was repeated.
            received = error.response.get("lastValidByteReceived")
            if error_code(error) != "InvalidLayerPartException" or received != last:
                raise

    def _labels(self, manifest: str) -> Mapping[str, str]:
        try:
            digest = json.loads(manifest)["config"]["digest"]
        except (ValueError, KeyError, TypeError):
            return {}  # an index, or an image of another kind
        url = self._download_url(digest)
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                config = json.loads(answer.read(_CONFIG_BYTES))
            labels = config.get("config", {}).get("Labels") or {}
        except (OSError, ValueError, AttributeError):
            # Only knowledge that saves time is lost: the parts are made again.
            return {}
        return {str(name): str(value) for name, value in labels.items()}

    def _download_url(self, digest: str) -> str:
        with self._errors("read a layer"):
            found = self._ecr.get_download_url_for_layer(
                repositoryName=self._name, layerDigest=digest
            )
        return str(found["downloadUrl"])

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        done = f"{action} in the repository {self._name}"
        try:
            with named_errors(done, _NAMES):
                yield
        except ThrottledError as error:
            raise ThrottledError(
                f"Could not {done}: ECR throttles the calls of this account, also after ten "
                "attempts. Deploy again in some minutes: what was stored is kept."
            ) from error
        except RepositoryMissingError as error:
            raise RepositoryMissingError(
                f"Could not {done}: it does not exist. It belongs to the stack and was deleted "
                f"by other means: create a repository named {self._name} and deploy again."
            ) from error


def _parts(content: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    first = 0
    while part := content.read(PART_BYTES):
        yield first, part
        first += len(part)
