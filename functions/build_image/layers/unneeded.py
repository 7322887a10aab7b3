"""Remove from installed packages what no program reads at run time.

The Dockerfile runs this module in its build stage, before the user's packages are installed:
`python -m build_image.layers.unneeded /opt/venv/lib/python3.13/site-packages`. These stay as their
authors made them.

The greatest part is information for debuggers in compiled modules. The loader reads the segments of
such a file, and nothing behind the last one: section headers, symbols, lines of the sources. Where
there is a debugger, a traceback of C code then has no names; one of Python code is not affected.
"""

import base64
import csv
import hashlib
import io
import struct
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_TEST_FOLDERS = ("benchmarks", "test", "tests")
# Types for editors and checkers; what a compiler reads; what a browser's debugger reads.
_SUFFIXES = (
    ".pyi", ".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyx", ".js.map", ".css.map",
)  # fmt: skip
# Examples of calls, for botocore's documentation.
_EXAMPLES = ("examples-1.json", "examples-1.json.gz")
_ELF = b"\x7fELF\x02\x01"  # 64 bits, little endian, as both processors have it


def is_unneeded(path: PurePosixPath) -> bool:
    """Whether a file of site-packages is left out, by its path there."""
    folders = path.parts[1:-1]
    return (
        path.name.endswith(_SUFFIXES)
        or any(folder in _TEST_FOLDERS for folder in folders)
        or (path.parts[:2] == ("botocore", "data") and path.name in _EXAMPLES)
    )


def remove(site_packages: Path) -> None:
    """Remove what is not needed, and correct the lists of the packages' files."""
    changed: dict[str, list[str]] = {}
    for file in sorted(site_packages.rglob("*")):
        path = file.relative_to(site_packages)
        if file.is_symlink() or not file.is_file():
            continue
        if is_unneeded(PurePosixPath(path.as_posix())):
            file.unlink()
            changed[path.as_posix()] = []
        elif ".so" in file.suffixes:
            content = file.read_bytes()
            loaded = loaded_part(content)
            if len(loaded) < len(content):
                replace(file, loaded)
                changed[path.as_posix()] = record_row(path.as_posix(), loaded)
    for folder in sorted(site_packages.rglob("*"), reverse=True):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
    correct_records(site_packages, changed)


def loaded_part(content: bytes) -> bytes:
    """A shared library up to the end of its last segment; other files as they are."""
    if not content.startswith(_ELF):
        return content
    offset = struct.unpack_from("<Q", content, 32)[0]
    size, count = struct.unpack_from("<HH", content, 54)
    end = offset + size * count
    for number in range(count):
        start, _virtual, _physical, length = struct.unpack_from(
            "<QQQQ", content, offset + number * size + 8
        )
        end = max(end, start + length)
    if not count or end > len(content):
        return content
    # Without section headers: their offset, number and names are zero.
    header = bytearray(content[:end])
    struct.pack_into("<Q", header, 40, 0)
    struct.pack_into("<HHH", header, 58, 0, 0, 0)
    return bytes(header)


def correct_records(site_packages: Path, changed: Mapping[str, list[str]]) -> None:
    """Replace rows of the packages' RECORD files, by path; an empty row removes it.

    Paths are relative to site-packages, as in RECORD: `../../../bin/name` for a script.
    """
    for record in site_packages.glob("*.dist-info/RECORD"):
        rows, is_changed = [], False
        for row in csv.reader(io.StringIO(record.read_text())):
            new = changed.get(row[0], row)
            is_changed = is_changed or new != row
            if new:
                rows.append(new)
        if is_changed:
            out = io.StringIO()
            csv.writer(out, lineterminator="\n").writerows(rows)
            replace(record, out.getvalue().encode())


def record_row(path: str, content: bytes) -> list[str]:
    """A row of RECORD for a file with this content."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [path, f"sha256={digest}", str(len(content))]


def replace(path: Path, content: bytes) -> None:
    """Write a new file, because the old one may be a hard link to the installer's cache."""
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


if __name__ == "__main__":
    remove(Path(sys.argv[1]))
