"""ECR stores layers, and refuses what AWS refuses while they are uploaded.

ministack 1.5.33 answers the layer API with constants: nothing is stored, no layer is available.
What `docker push` uploads by the registry's HTTP API is kept in memory. Here both share files in
the state folder, so a layer that one stored can be read with the other.
"""

import base64
import binascii
import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)
from ministack.services import ecr

from embedded_aws.settings import Settings

MAX_PART_BYTES = 20 * 2**20
MIN_PART_BYTES = 5 * 2**20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BLOCK = 2**20

Data = dict[str, Any]


class LayerFolder(MutableMapping[str, bytes]):
    """The layers of a repository by digest, in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        return self.folder / digest.replace(":", "-")

    def __getitem__(self, digest: str) -> bytes:
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError:
            raise KeyError(digest) from None

    def __setitem__(self, digest: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path(digest).write_bytes(content)

    def __delitem__(self, digest: str) -> None:
        try:
            self.path(digest).unlink()
        except FileNotFoundError:
            raise KeyError(digest) from None

    def __contains__(self, digest: object) -> bool:
        return bool(_DIGEST.fullmatch(str(digest))) and self.path(str(digest)).is_file()

    def __iter__(self) -> Iterator[str]:
        found = self.folder.glob("sha256-*") if self.folder.is_dir() else ()
        return (path.name.replace("-", ":", 1) for path in found)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class LayerStore:
    """In place of ministack's dictionary: the layers of each repository."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> LayerFolder:
        scope = self._folder / get_account_id() / get_region()
        return LayerFolder(scope / name.replace("/", "%"))

    def get(self, name: str, _default: object = None) -> LayerFolder:
        return self[name]

    def setdefault(self, name: str, _default: object = None) -> LayerFolder:
        return self[name]

    def pop(self, name: str, _default: object = None) -> None:
        shutil.rmtree(self[name].folder, ignore_errors=True)

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


class _Upload:
    """A layer on its way: its file, and the sizes of its parts."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / str(uuid.uuid4())
        folder.mkdir(parents=True, exist_ok=True)
        self.file.touch()
        self.parts: list[int] = []

    @property
    def size(self) -> int:
        return self.file.stat().st_size

    def digest(self) -> str:
        with self.file.open("rb") as content:
            return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"


def install(settings: Settings) -> None:
    folder = settings.state_dir / "ecr"
    shutil.rmtree(folder, ignore_errors=True)
    store = LayerStore(folder / "layers")
    uploads: dict[tuple[str, str], _Upload] = {}
    delete = ecr._delete_repository

    def check(data: Data) -> Any:
        digests = data.get("layerDigests") or []
        valid = [one for one in digests if _DIGEST.fullmatch(one)]
        layers = store[data["repositoryName"]]
        found = [
            {
                "layerDigest": digest,
                "layerAvailability": "AVAILABLE",
                "layerSize": layers.path(digest).stat().st_size,
            }
            if digest in layers
            else {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}
            for digest in valid
        ]
        failures = [
            {
                "layerDigest": digest,
                "failureCode": "InvalidLayerDigest",
                "failureReason": "Invalid layer digest",
            }
            for digest in digests
            if digest not in valid
        ]
        return json_response({"layers": found, "failures": failures})

    def initiate(data: Data) -> Any:
        upload = _Upload(folder / "uploads")
        uploads[data["repositoryName"], upload.file.name] = upload
        return json_response({"uploadId": upload.file.name, "partSize": MAX_PART_BYTES})

    def receive(data: Data) -> Any:
        upload = uploads.get((data["repositoryName"], data.get("uploadId", "")))
        if upload is None:
            return _unknown_upload(data)
        first, last = int(data["partFirstByte"]), int(data["partLastByte"])
        try:
            part = base64.b64decode(data.get("layerPartBlob") or "", validate=True)
        except binascii.Error:
            return _refused("InvalidParameterException", "The layer part is not base64")
        if len(part) > MAX_PART_BYTES:
            return _refused(
                "InvalidParameterException",
                "Invalid parameter at 'layerPartBlob' failed to satisfy constraint: 'Member must "
                f"have length less than or equal to {MAX_PART_BYTES}'",
            )
        if first != upload.size or last - first + 1 != len(part):
            return _invalid_part(data, upload)
        with upload.file.open("ab") as out:
            out.write(part)
        upload.parts.append(len(part))
        return json_response(
            {
                "registryId": get_account_id(),
                "repositoryName": data["repositoryName"],
                "uploadId": data["uploadId"],
                "lastByteReceived": last,
            }
        )

    def complete(data: Data) -> Any:
        name, key = data["repositoryName"], (data["repositoryName"], data.get("uploadId", ""))
        upload = uploads.get(key)
        if upload is None:
            return _unknown_upload(data)
        if not upload.parts:
            return _refused(
                "EmptyUploadException", f"The upload '{data['uploadId']}' has no layer parts"
            )
        if any(size < MIN_PART_BYTES for size in upload.parts[:-1]):
            return _refused(
                "LayerPartTooSmallException", "Layer parts must be at least 5 MiB in size"
            )
        digest = upload.digest()
        if digest not in (data.get("layerDigests") or []):
            return _refused(
                "InvalidLayerException",
                "The layer digest calculated does not match the provided layer digest",
            )
        layers = store[name]
        if digest in layers:
            return _refused(
                "LayerAlreadyExistsException",
                f"The layer with digest '{digest}' already exists in the repository with name "
                f"'{name}' in registry with id '{get_account_id()}'",
            )
        del uploads[key]
        layers.folder.mkdir(parents=True, exist_ok=True)
        upload.file.replace(layers.path(digest))
        return json_response(
            {
                "registryId": get_account_id(),
                "repositoryName": name,
                "uploadId": data["uploadId"],
                "layerDigest": digest,
            }
        )

    def download(data: Data) -> Any:
        name, digest = data["repositoryName"], data.get("layerDigest", "")
        if digest not in store[name]:
            return _refused("LayersNotFoundException", f"The layer '{digest}' was not found")
        # AWS's address is signed for an hour; this one is open on this machine.
        url = f"{settings.endpoint_url}/v2/{name}/blobs/{digest}"
        return json_response({"downloadUrl": url, "layerDigest": digest})

    def delete_with_layers(data: Data) -> Any:
        answer = delete(data)
        if answer[0] < 400:
            store.pop(data["repositoryName"])
        return answer

    ecr._layer_blobs = store
    ecr._delete_repository = delete_with_layers
    ecr._batch_check_layer_availability = in_repository(check)
    ecr._initiate_layer_upload = in_repository(initiate)
    ecr._upload_layer_part = in_repository(receive)
    ecr._complete_layer_upload = in_repository(complete)
    ecr._get_download_url_for_layer = in_repository(download)


def in_repository(operation: Any) -> Any:
    """An operation that is refused when its repository does not exist."""

    def checked(data: Data) -> Any:
        name = data.get("repositoryName", "")
        if name not in ecr._repositories:
            return _refused(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id "
                f"'{get_account_id()}'",
            )
        return operation(data)

    return checked


def _refused(code: str, message: str) -> Any:
    return error_response_json(code, message, 400)


def _unknown_upload(data: Data) -> Any:
    return _refused(
        "UploadNotFoundException",
        f"The upload '{data.get('uploadId', '')}' could not be found, or is not valid for the "
        f"repository '{data['repositoryName']}'",
    )


def _invalid_part(data: Data, upload: _Upload) -> Any:
    body = {
        "__type": "InvalidLayerPartException",
        "message": "The part is not valid, or its first byte does not follow the last one received",
        "registryId": get_account_id(),
        "repositoryName": data["repositoryName"],
        "uploadId": data["uploadId"],
        "lastValidByteReceived": max(0, upload.size - 1),
    }
    _status, headers, content = json_response(body)
    return 400, {**headers, "x-amzn-errortype": "InvalidLayerPartException"}, content
