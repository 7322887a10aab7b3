"""Name the base image of images/airflow/Dockerfile by digest, and move that digest.

Asks the registry which image the tag names now and writes it into the Dockerfile, behind the tag:
`ARG PYTHON_IMAGE=registry/name:tag@sha256:…`. It needs no Docker: the code is that of the function
which builds the image.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from build_image.errors import ImageBuildError
from build_image.registry import OciRegistry
from plain_errors import plain_errors

DOCKERFILE: Final = Path(__file__).resolve().parents[1] / "images" / "airflow" / "Dockerfile"
_BASE = re.compile(r"^ARG PYTHON_IMAGE=(\S+)$", re.MULTILINE)


def pin(dockerfile: Path, digest_of: Callable[[str], str]) -> str:
    """Write the digest into the Dockerfile; returns what was changed, in a sentence.

    Args:
        dockerfile: the file.
        digest_of: the digest of the image that a tag names.
    """
    text = dockerfile.read_text()
    found = _BASE.search(text)
    if found is None:
        raise ImageBuildError(f"{dockerfile} has no line ARG PYTHON_IMAGE=registry/name:tag.")
    tag, _, former = found[1].partition("@")
    digest = digest_of(tag)
    if digest == former:
        return f"{tag} is still {digest}."
    dockerfile.write_text(f"{text[: found.start(1)]}{tag}@{digest}{text[found.end(1) :]}")
    return (
        f"{tag} is now {digest} (before: {former or 'the tag alone'}). Build or deploy to use it."
    )


if __name__ == "__main__":
    with plain_errors(expected=(ImageBuildError,)):
        print(pin(DOCKERFILE, OciRegistry().digest_of))
