"""The configuration and the manifest of the image: what the last lines of the Dockerfile say."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from build_image.model import ARCHITECTURES, BaseImage, Part

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
# The parts of the image as JSON: a later build takes over those with the same keys.
PARTS_LABEL = "airflow-on-fargate.parts"

ENVIRONMENT: Mapping[str, str] = {
    "AIRFLOW_HOME": "/opt/airflow",
    "PYTHONPATH": "/opt/airflow-on-fargate",
    "PYTHONUNBUFFERED": "1",
}
PATH_FIRST = "/opt/venv/bin"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
VOLUMES = ("/opt/airflow", "/tmp")  # noqa: S108 - of the container
PORTS = (8080, 8793, 8794, 8974)
USER = "50000:50000"
WORKING_DIRECTORY = "/opt/airflow"
ENTRYPOINT = ("python", "-m", "airflow_on_fargate.entrypoint")
COMMAND = ("version",)


def configuration(
    base: BaseImage,
    architecture: str,
    parts: Mapping[str, Part],
    labels: Mapping[str, str],
) -> bytes:
    """The image's configuration. Equal arguments give equal bytes."""
    variables = base.environment()
    inherited = base.config.get("config", {})
    # Debian's order of PATH, as `docker build` sees it, when the base image sets none.
    variables["PATH"] = f"{PATH_FIRST}:{variables.get('PATH', DEFAULT_PATH)}"
    variables |= ENVIRONMENT
    memo = {name: part.to_json() for name, part in parts.items()}
    document = {
        "architecture": ARCHITECTURES[architecture],
        "os": "linux",
        "created": labels["org.opencontainers.image.created"],
        "config": {
            "User": USER,
            "ExposedPorts": {f"{port}/tcp": {} for port in PORTS},
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Entrypoint": list(ENTRYPOINT),
            "Cmd": list(COMMAND),
            "Volumes": {path: {} for path in VOLUMES},
            "WorkingDir": WORKING_DIRECTORY,
            "Labels": {
                **(inherited.get("Labels") or {}),
                **labels,
                PARTS_LABEL: _compact(memo),
            },
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [layer.diff_id for part in parts.values() for layer in part.layers],
        },
        "history": [
            {
                "created": labels["org.opencontainers.image.created"],
                "created_by": f"airflow-on-fargate build_image: {name}",
            }
            for name, part in parts.items()
            for _layer in part.layers
        ],
    }
    return _compact(document).encode()


def manifest(config: bytes, parts: Mapping[str, Part]) -> bytes:
    """The image's manifest."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}
            for part in parts.values()
            for layer in part.layers
        ],
    }
    return _compact(document).encode()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def known_parts(labels: Sequence[Mapping[str, str]]) -> dict[str, Part]:
    """The parts of former images by key; an image that the builder did not make has none."""
    found: dict[str, Part] = {}
    for one in labels:
        try:
            described: Mapping[str, Any] = json.loads(one.get(PARTS_LABEL, "{}"))
            parts = [Part.from_json(document) for document in described.values()]
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        for part in parts:
            found.setdefault(part.key, part)
    return found


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True)
