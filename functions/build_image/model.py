"""What an image consists of, in the terms of OCI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Part of every key: a change in how layers are written must not reuse older ones.
FORMAT = 3
ARCHITECTURES: Mapping[str, str] = {"arm64": "arm64", "x86_64": "amd64"}


@dataclass(frozen=True)
class Layer:
    """A layer that the registry has, or that is in a file."""

    digest: str
    # The digest of the uncompressed tar file.
    diff_id: str
    size: int

    def to_json(self) -> dict[str, Any]:
        return {"digest": self.digest, "diffId": self.diff_id, "size": self.size}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Layer":
        return cls(str(document["digest"]), str(document["diffId"]), int(document["size"]))


@dataclass(frozen=True)
class Part:
    """One or more layers that are made together and kept as long as their key is the same."""

    key: str
    layers: tuple[Layer, ...]
    # What later parts and the image's configuration need to know of this one.
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "layers": [layer.to_json() for layer in self.layers],
            **({"facts": dict(self.facts)} if self.facts else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Part":
        return cls(
            str(document["key"]),
            tuple(Layer.from_json(layer) for layer in document["layers"]),
            dict(document.get("facts", {})),
        )


@dataclass(frozen=True)
class BaseImage:
    """The manifest and the configuration of the base image for one processor."""

    digest: str
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]

    def environment(self) -> dict[str, str]:
        """The variables that the base image sets."""
        pairs = (entry.partition("=") for entry in self.config.get("config", {}).get("Env") or ())
        return {name: value for name, _, value in pairs}
