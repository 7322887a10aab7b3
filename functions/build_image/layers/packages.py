"""The layers of installed packages: those of the lock file in /opt/venv, and the user's.

The installer writes a virtual environment under another path, with the interpreter of the function.
What names either of them is rewritten to what the image has.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from build_image.layers.tar_layer import Entry, tree
from build_image.layers.unneeded import correct_records, record_row, replace

ENVIRONMENT = "opt/venv"


def adapt_environment(root: Path, python: str, python_version: str) -> None:
    """Make `root/opt/venv` the environment of the image's own interpreter.

    Args:
        root: the folder that stands for the image's root.
        python: the interpreter in the image, such as /usr/local/bin/python.
        python_version: its version.
    """
    environment = root / ENVIRONMENT
    home = os.path.dirname(python)
    config = environment / "pyvenv.cfg"
    lines = []
    for line in config.read_text().splitlines():
        name = line.partition(" = ")[0]
        own = {"home": home, "version_info": python_version}
        lines.append(f"{name} = {own[name]}" if name in own else line)
    replace(config, "".join(f"{line}\n" for line in lines).encode())
    interpreter = environment / "bin" / "python"
    interpreter.unlink()
    interpreter.symlink_to(python)
    changed: dict[str, list[str]] = {}
    for script in sorted((environment / "bin").iterdir()):
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        own_content = content.replace(f"{root}/".encode(), b"/")
        if own_content != content:
            replace(script, own_content)
            path = f"../../../bin/{script.name}"
            changed[path] = record_row(path, own_content)
    correct_records(site_packages(root), changed)


def user_entries(root: Path, empty: set[str]) -> Iterator[Entry]:
    """What installed packages added to an environment that had these paths when it was empty."""
    for entry in tree(root, ENVIRONMENT):
        if entry.info.name not in empty:
            yield entry


def site_packages(root: Path) -> Path:
    """The folder of the packages in the environment."""
    return next((root / ENVIRONMENT / "lib").glob("python3*/site-packages"))


def paths_of(root: Path) -> set[str]:
    """The paths of everything in the environment."""
    return {entry.info.name for entry in tree(root, ENVIRONMENT)}
