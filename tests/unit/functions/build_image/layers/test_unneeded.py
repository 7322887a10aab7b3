"""What the image leaves out of packages, and that the rest is as it was."""

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path, PurePosixPath

import pytest
from image_parts import record_of

from build_image.layers import unneeded

# Some module of this Python that is a shared library.
LIBRARY = next(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("_json*.so"))


@pytest.mark.parametrize(
    "path",
    [
        "one/tests/test_a.py", "one/inner/test/data.json", "one/benchmarks/a.py",
        "one/types.pyi", "one/fast.pyx", "one/include/one.h", "one/static/app.js.map",
        "botocore/data/s3/2006-03-01/examples-1.json",
        "botocore/data/s3/2006-03-01/examples-1.json.gz",
    ],
)  # fmt: skip
def test_file_that_no_program_reads_is_unneeded(path: str) -> None:
    assert unneeded.is_unneeded(PurePosixPath(path))


@pytest.mark.parametrize(
    "path",
    [
        "one/__init__.py", "tests/__init__.py", "one/tests.py", "one/testing/__init__.py",
        "one/map.json", "one/app.js", "botocore/data/s3/2006-03-01/service-2.json.gz",
        "one-1.0.dist-info/licenses/LICENSE.md", "other/data/examples-1.json",
    ],
)  # fmt: skip
def test_other_files_are_needed(path: str) -> None:
    """A package that is named `tests` may be one that others import."""
    assert not unneeded.is_unneeded(PurePosixPath(path))


def with_information_for_debuggers(content: bytes) -> bytes:
    """A section that is not loaded, as compilers append it."""
    return content + b"lines of the sources" * 1000


def test_library_without_its_end_can_be_loaded(tmp_path: Path) -> None:
    content = with_information_for_debuggers(LIBRARY.read_bytes())
    (tmp_path / LIBRARY.name).write_bytes(unneeded.loaded_part(content))

    code = "import _json; print(_json.__file__, _json.encode_basestring('a'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip

    assert done.stdout.split() == [str(tmp_path / LIBRARY.name), '"a"'], done.stderr
    assert (tmp_path / LIBRARY.name).stat().st_size <= LIBRARY.stat().st_size


def test_library_is_shortened_once(tmp_path: Path) -> None:
    short = unneeded.loaded_part(with_information_for_debuggers(LIBRARY.read_bytes()))

    assert unneeded.loaded_part(short) == short


@pytest.mark.parametrize("content", [b"", b"INPUT(libc.so.6)", b"\x7fELF\x01\x01" + bytes(90)])
def test_file_of_another_kind_stays(content: bytes) -> None:
    """A script of the linker, a library for 32 bits."""
    assert unneeded.loaded_part(content) == content


def test_library_that_is_cut_off_stays() -> None:
    damaged = LIBRARY.read_bytes()[:2000]

    assert unneeded.loaded_part(damaged) == damaged


def test_packages_list_of_files_is_that_of_the_files(tmp_path: Path) -> None:
    """The installer's cache has the same files by hard links, and keeps them."""
    cache, packages = tmp_path / "cache", tmp_path / "packages"
    files = {
        "one/__init__.py": b"",
        "one/tests/inner/test_a.py": b"",
        "one/fast.so": with_information_for_debuggers(LIBRARY.read_bytes()),
    }
    for name, content in files.items():
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(content)
    (cache / "one/fast.so").chmod(0o755)
    shutil.copytree(cache, packages, copy_function=os.link)
    record = packages / "one-1.0.dist-info" / "RECORD"
    record.parent.mkdir()
    rows = [*(record_of(name, content) for name, content in files.items()), "one-1.0/RECORD,,"]
    record.write_text("".join(f"{row}\n" for row in rows))

    unneeded.remove(packages)

    left = {path.relative_to(packages).as_posix() for path in packages.rglob("*")}
    assert left == {
        "one", "one/__init__.py", "one/fast.so", "one-1.0.dist-info", "one-1.0.dist-info/RECORD",
    }  # fmt: skip
    short = (packages / "one/fast.so").read_bytes()
    assert (cache / "one/fast.so").read_bytes() == files["one/fast.so"]
    assert (packages / "one/fast.so").stat().st_mode & 0o777 == 0o755
    assert [",".join(row) for row in csv.reader(record.read_text().splitlines())] == [
        record_of("one/__init__.py", b""), record_of("one/fast.so", short), "one-1.0/RECORD,,",
    ]  # fmt: skip
