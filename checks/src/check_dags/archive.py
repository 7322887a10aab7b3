"""The zip file that is uploaded as a release: the same bytes for the same files."""

import zipfile
from pathlib import Path

from check_dags.project import files_below

# The oldest time that a zip file can hold: a file's own time says nothing about its content.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


def write_archive(folder: Path, target: Path) -> int:
    """Write all files of a folder, without bytecode; how many there are."""
    count = 0
    with zipfile.ZipFile(target, "w") as archive:
        for path in files_below(folder):
            add_to_archive(archive, path.relative_to(folder).as_posix(), path.read_bytes())
            count += 1
    return count


def add_to_archive(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    """Add a file whose entry says nothing but its path and its content."""
    entry = zipfile.ZipInfo(path, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = _MODE
    archive.writestr(entry, data)
