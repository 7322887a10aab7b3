"""What the builder needs of the world."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from build_image.findings.model import Scan
from build_image.model import BaseImage, Layer


class ImageRepository(Protocol):
    """The repository of the account that receives the image."""

    def digest_of(self, tag: str) -> str | None:
        """The digest of the image with this tag."""

    def recent_labels(self) -> Sequence[Mapping[str, str]]:
        """The labels of the images that were pushed last, the newest first."""

    def has_layers(self, digests: Sequence[str]) -> bool:
        """Whether the repository has every one of these layers."""

    def push_layer(self, file: Path, digest: str) -> None:
        """Store a file as a layer, unless the repository has it. A repetition changes nothing."""

    def fetch_layer(self, digest: str, target: Path) -> None:
        """Store a layer of the repository in a file and compare it with its digest."""

    def put_image(self, manifest: bytes, digest: str, tag: str) -> str:
        """Make stored layers an image; returns its digest.

        An image that has the tag stays, and its digest is returned: tags are immutable.
        """


class BaseImages(Protocol):
    """The registries of base images."""

    def find(self, reference: str, architecture: str) -> BaseImage:
        """The image for a processor; BaseImageError when there is none."""

    def fetch(self, reference: str, layer: Layer, target: Path) -> None:
        """Store a layer in a file and compare it with its digest."""


class PythonPackages(Protocol):
    """The installer of Python packages."""

    def create_environment(self, folder: Path) -> None:
        """Create a virtual environment."""

    def install(self, environment: Path, requirements: Path, seconds: float) -> None:
        """Install locked requirements, wheels only; PackagesError with the installer's text."""

    def resolve(self, requirements: Path, constraints: Path, target: Path, seconds: float) -> None:
        """Lock requirements under constraints; PackagesError with the installer's text."""

    def compile_bytecode(self, root: Path, folder: Path, seconds: float) -> str:
        """Compile the sources in a folder of the image; returns what could not be compiled."""


class Continuation(Protocol):
    """Another call of the function."""

    def call(self, event: Mapping[str, Any]) -> None:
        """Call the function with this event, without waiting for it."""


class ImageScans(Protocol):
    """The scans of the repository's images."""

    def scan_of(self, digest: str) -> Scan:
        """The last scan of an image as it is now; its findings when it has ended."""


class Stacks(Protocol):
    """CloudFormation's stacks."""

    def is_rolling_back(self, stack_id: str) -> bool:
        """Whether the stack goes back to what it was before an update."""
