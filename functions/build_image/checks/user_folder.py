"""Check what a user put into images/airflow/user before anything is installed.

A file that the builder does not know is refused: `requirments.txt`, say, would otherwise be
ignored, and nobody would notice before a DAG cannot be imported.
"""

from pathlib import Path

from build_image.checks import requirements_file
from build_image.checks.codebuild_files import DOCKERFILE, PACKAGES, needing_codebuild

FOLDER = "images/airflow/user"
REQUIREMENTS = f"{FOLDER}/requirements.txt"
PLUGINS = f"{FOLDER}/plugins"
# The findings of the scan that a person accepted are no part of the image.
_KNOWN = (
    "README.md", "accepted-findings.toml", "plugins", "requirements.txt", PACKAGES, DOCKERFILE,
)  # fmt: skip


def problems(folder: Path, *, by_codebuild: bool = False) -> list[str]:
    """A sentence for each thing that the image cannot contain.

    Args:
        folder: the source's copy of images/airflow/user, which need not exist.
        by_codebuild: whether CodeBuild builds the image, which installs Debian packages as well.

    Raises:
        DebianPackagesError: packages.txt is not a list of packages.
    """
    if not folder.is_dir():
        return []
    found = [] if by_codebuild else needing_codebuild(folder)
    # A Dockerfile may copy any file.
    has_dockerfile = (folder / DOCKERFILE).is_file()
    found += [
        f"{FOLDER}/{path.name} is not used: the image is built from requirements.txt and plugins/ "
        "of this folder. Rename the file, or remove it."
        for path in sorted(folder.iterdir())
        if path.name not in _KNOWN
        and not path.name.startswith((".", "__pycache__"))
        and not has_dockerfile
    ]
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        found += requirements_file.problems(requirements.read_text(errors="replace"), REQUIREMENTS)
    plugins = folder / "plugins"
    if plugins.exists() and not plugins.is_dir():
        found.append(f"{PLUGINS} is a file: make it a folder with your plugins in it.")
    return found
