"""Images of ECR: made of layers that exist, with tags that may be immutable, found or refused.

ministack 1.5.33 stores any manifest, leaves out of DescribeImages what it does not find, and
deletes an image with all its tags when one of them is deleted.
"""

import hashlib
import json
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import ecr

from embedded_aws.ecr import scans
from embedded_aws.ecr.layers import Data, in_repository
from embedded_aws.settings import Settings

_INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def install(settings: Settings) -> None:
    put = ecr._put_image
    delete = ecr._batch_delete_image

    def put_image(data: Data) -> Any:
        refusal = _refusal_of_image(data)
        if refusal is not None:
            return refusal
        manifest = str(data["imageManifest"])
        kind = data.get("imageManifestMediaType") or json.loads(manifest).get("mediaType")
        answer = put({**data, **({"imageManifestMediaType": kind} if kind else {})})
        if answer[0] < 400:
            name = data["repositoryName"]
            digest = _digest(manifest)
            # Images can be pulled by digest with the registry's HTTP API.
            ecr._manifest_blobs.setdefault(name, {})[digest] = manifest.encode()
            scans.scan_on_push(name, digest)
        return answer

    def describe_images(data: Data) -> Any:
        name = data["repositoryName"]
        images = ecr._images.get(name, [])
        if data.get("imageIds"):
            images = []
            for wanted in data["imageIds"]:
                found = ecr._find_image(name, wanted)
                if found is None:
                    return _refused(
                        "ImageNotFoundException",
                        f"The image with imageId {_shown(wanted)} does not exist within the "
                        f"repository with name '{name}' in the registry with id "
                        f"'{get_account_id()}'",
                    )
                images.append(found)
        status = (data.get("filter") or {}).get("tagStatus", "ANY")
        images = [one for one in images if status in ("ANY", _tag_status(one))]
        return json_response({"imageDetails": [_detail(name, one) for one in images]})

    def batch_delete_image(data: Data) -> Any:
        name = data["repositoryName"]
        untagged, others = [], []
        for wanted in data.get("imageIds") or []:
            found = ecr._find_image(name, wanted)
            tags = found.get("imageTags", []) if found else []
            tag = wanted.get("imageTag")
            # Only the last tag takes the image with it.
            if found and tag and not wanted.get("imageDigest") and len(tags) > 1:
                tags.remove(tag)
                found["imageId"] = {"imageDigest": found["imageDigest"], "imageTag": tags[-1]}
                untagged.append({"imageDigest": found["imageDigest"], "imageTag": tag})
            else:
                others.append(wanted)
        status, headers, body = delete({**data, "imageIds": others})
        answer = json.loads(body)
        answer["imageIds"] = [*untagged, *answer["imageIds"]]
        for gone in answer["imageIds"]:
            if ecr._find_image(name, {"imageDigest": gone.get("imageDigest")}) is None:
                ecr._manifest_blobs.get(name, {}).pop(gone.get("imageDigest"), None)
        return status, headers, json.dumps(answer).encode()

    ecr._put_image = in_repository(put_image)
    ecr._describe_images = in_repository(describe_images)
    ecr._batch_delete_image = in_repository(batch_delete_image)


def _refusal_of_image(data: Data) -> Any:
    """Why AWS does not take an image; None if it does."""
    name, manifest = data["repositoryName"], str(data.get("imageManifest") or "")
    try:
        document = json.loads(manifest)
        layers = [document["config"]["digest"], *(one["digest"] for one in document["layers"])]
    except (ValueError, KeyError, TypeError):
        document = _index_of(manifest)
        if document is None:
            return _refused(
                "InvalidParameterException",
                "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON "
                "syntax or not an image manifest'",
            )
        layers = []
    digest = _digest(manifest)
    if data.get("imageDigest") not in (None, digest):
        return _refused(
            "ImageDigestDoesNotMatchException",
            f"The provided digest '{data['imageDigest']}' does not match the digest of the "
            f"manifest, '{digest}'",
        )
    stored = ecr._layer_blobs[name]
    missing = sorted({layer for layer in layers if layer not in stored})
    if missing:
        return _refused(
            "LayersNotFoundException",
            f"The following layers are required for pushing image with digest '{digest}' but do "
            f"not exist in the repository with name '{name}' in the registry with id "
            f"'{get_account_id()}': '[{', '.join(missing)}]'",
        )
    tag = data.get("imageTag")
    existing = ecr._find_image(name, {"imageDigest": digest})
    if existing is not None and (not tag or tag in existing.get("imageTags", [])):
        return _refused(
            "ImageAlreadyExistsException",
            f"Image with digest '{digest}' and tag '{tag}' already exists in the repository with "
            f"name '{name}' in registry with id '{get_account_id()}'",
        )
    immutable = ecr._repositories[name].get("imageTagMutability") == "IMMUTABLE"
    if tag and immutable and ecr._find_image(name, {"imageTag": tag}) is not None:
        return _refused(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be "
            "overwritten because the repository is immutable.",
        )
    return None


def _index_of(manifest: str) -> Any:
    try:
        document = json.loads(manifest)
    except ValueError:
        return None
    is_index = isinstance(document, dict) and document.get("mediaType") in _INDEX_TYPES
    return document if is_index else None


def _detail(name: str, image: Data) -> Data:
    manifest = json.loads(image.get("imageManifest") or "{}")
    sizes = [int(layer.get("size", 0)) for layer in manifest.get("layers") or []]
    kind = image.get("imageManifestMediaType")
    return {
        "registryId": get_account_id(),
        "repositoryName": name,
        "imageDigest": image["imageDigest"],
        **({"imageTags": image["imageTags"]} if image.get("imageTags") else {}),
        "imageSizeInBytes": sum(sizes),
        "imagePushedAt": image["imagePushedAt"],
        "imageManifestMediaType": kind,
        "artifactMediaType": (manifest.get("config") or {}).get("mediaType", kind),
        **scans.details_of(name, image["imageDigest"]),
    }


def _tag_status(image: Data) -> str:
    return "TAGGED" if image.get("imageTags") else "UNTAGGED"


def _digest(manifest: str) -> str:
    return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


def _shown(wanted: Data) -> str:
    digest, tag = wanted.get("imageDigest", "null"), wanted.get("imageTag", "null")
    return f"{{imageDigest:'{digest}', imageTag:'{tag}'}}"


def _refused(code: str, message: str) -> Any:
    return error_response_json(code, message, 400)
