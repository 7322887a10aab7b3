"""The files of the base image: a later layer replaces, whiteouts remove."""

from pathlib import Path

import pytest
from image_parts import tar_of

from build_image.errors import BaseImageError
from build_image.layers import system
from build_image.layers.base_files import BaseFiles


def read(folder: Path, *layers: bytes) -> BaseFiles:
    files = BaseFiles(folder)
    for layer in layers:
        (folder / "layer").write_bytes(layer)
        files.read_layer(folder / "layer")
    return files


def test_later_layer_decides(tmp_path: Path) -> None:
    first = tar_of(
        {"etc/passwd": "old", "usr/bin/su": "", "usr/bin/sudo": "", "opt/x/tool": ""},
        modes={"usr/bin/su": 0o4755, "usr/bin/sudo": 0o4755, "opt/x/tool": 0o2755},
    )
    second = tar_of(
        {"./etc/passwd": "new", "usr/bin/.wh.su": "", "opt/x/.wh..wh..opq": "", "usr/bin/sudo": ""}
    )

    files = read(tmp_path, first, second)

    assert files.special_files() == {}
    source = files.kept["etc/passwd"].source
    assert source is not None
    assert source.read_text() == "new"


def test_account_of_the_base_image_is_not_taken_over(tmp_path: Path) -> None:
    for line in ("airflow:x:1:1::/:/bin/sh\n", "other:x:50000:1::/:/bin/sh\n"):
        files = read(tmp_path, tar_of({"etc/passwd": line, "etc/group": ""}))
        with pytest.raises(BaseImageError, match="choose one without an account"):
            list(system.entries(files, tmp_path))


def test_layer_that_is_no_tar_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseImageError, match="cannot be read"):
        read(tmp_path, b"not a tar file" * 100)
