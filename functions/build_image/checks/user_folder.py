"""Check what a user put into images/airflow/user before anything is installed.

A file that the builder does not know is refused: `requirments.txt`, say, would otherwise be
ignored, and nobody would notice before a DAG cannot be imported.
"""

from pathlib import Path

from build_image.checks import requirements_file

FOLDER = "images/airflow/user"
REQUIREMENTS = f"{FOLDER}/requirements.txt"
PLUGINS = f"{FOLDER}/plugins"
_DEBIAN_PACKAGES = "packages.txt"
# The findings of the scan that a person accepted are no part of the image.
_KNOWN = (
    "README.md", "accepted-findings.toml", "plugins", "requirements.txt", _DEBIAN_PACKAGES,
)  # fmt: skip


def problems(folder: Path) -> list[str]:
    """A sentence for each thing that the image cannot contain.

    Args:
        folder: the source's copy of images/airflow/user, which need not exist.
    """
    if not folder.is_dir():
        return []
    found = [
        f"{FOLDER}/{path.name} is not used: the image is built from requirements.txt and plugins/ "
        "of this folder. Rename the file, or remove it."
        for path in sorted(folder.iterdir())
        if path.name not in _KNOWN and not path.name.startswith((".", "__pycache__"))
    ]
    debian = folder / _DEBIAN_PACKAGES
    if debian.is_file() and requirements_file.lines(debian.read_text(errors="replace")):
        found.append(
            f"{FOLDER}/{_DEBIAN_PACKAGES} names Debian packages, which the builder cannot install: "
            "it has no container in which apt-get could run. Remove the file, build an image of "
            "your own that starts FROM this one (docs/user-packages.md), and set AirflowImageUri."
        )
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        found += requirements_file.problems(requirements.read_text(errors="replace"), REQUIREMENTS)
    plugins = folder / "plugins"
    if plugins.exists() and not plugins.is_dir():
        found.append(f"{PLUGINS} is a file: make it a folder with your plugins in it.")
    return found
