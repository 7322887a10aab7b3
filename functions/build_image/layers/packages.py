"""The layers of installed packages: those of the lock file in /opt/venv, and the user's.

The installer writes a virtual environment under another path, with the interpreter of the function.
What names either of them is rewritten to what the image has.
"""

import base64
import csv
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

from build_image.layers.tar_layer import Entry, tree

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
    _replace(config, "".join(f"{line}\n" for line in lines).encode())
    interpreter = environment / "bin" / "python"
    interpreter.unlink()
    interpreter.symlink_to(python)
    changed = {}
    for script in sorted((environment / "bin").iterdir()):
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        own_content = content.replace(f"{root}/".encode(), b"/")
        if own_content != content:
            _replace(script, own_content)
            changed[script.name] = own_content
    _correct_records(environment, changed)


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


def _correct_records(environment: Path, changed: dict[str, bytes]) -> None:
    """Correct the digests of changed scripts in the RECORD files of their packages."""
    for record in environment.glob("lib/python3*/site-packages/*.dist-info/RECORD"):
        text = record.read_text()
        if "/bin/" not in text:
            continue
        rows, is_changed = [], False
        for row in csv.reader(io.StringIO(text)):
            folder, _, name = row[0].rpartition("/")
            if folder.endswith("../bin") and name in changed:
                row, is_changed = _row(row[0], changed[name]), True
            rows.append(row)
        if is_changed:
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows(rows)
            _replace(record, out.getvalue().encode())


def _row(path: str, content: bytes) -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [path, f"sha256={digest}", str(len(content))]


def _replace(path: Path, content: bytes) -> None:
    # A new file, because the old one may be a hard link to the installer's cache.
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)
