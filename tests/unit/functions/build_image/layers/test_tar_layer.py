"""A layer's bytes depend on the files alone."""

import gzip
import io
import os
import tarfile
import tracemalloc
from pathlib import Path

from image_parts import digest_of

from build_image.layers.tar_layer import FIXED_TIME, file, folder, link, tree, write


def test_order_times_and_owners_of_the_builder_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "content").write_text("x")
    entries = [folder("b"), file("b/c", tmp_path / "content"), link("a", "b/c")]
    first = write(tmp_path / "1", entries)
    os.utime(tmp_path / "content", (1, 1))

    second = write(tmp_path / "2", reversed(entries))

    assert first == second
    assert first.digest == digest_of((tmp_path / "1").read_bytes())
    with tarfile.open(tmp_path / "1") as tar:
        assert [member.name for member in tar] == ["a", "b", "b/c"]
        assert {member.mtime for member in tar} == {FIXED_TIME}


def test_file_can_be_executed_by_all_or_by_none(tmp_path: Path) -> None:
    for name, mode in (("own", 0o700), ("plain", 0o600), ("open", 0o666)):
        (tmp_path / "top").mkdir(exist_ok=True)
        (tmp_path / "top" / name).touch()
        (tmp_path / "top" / name).chmod(mode)

    modes = {one.info.name: one.info.mode for one in tree(tmp_path, "top")}

    assert modes == {"top": 0o755, "top/own": 0o755, "top/plain": 0o644, "top/open": 0o644}


def test_large_layer_is_not_held_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(200 * 2**20)
    tracemalloc.start()
    try:
        write(tmp_path / "layer", [file("large", tmp_path / "large")])
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 16 * 2**20


def test_uncompressed_digest_is_that_of_the_tar_file(tmp_path: Path) -> None:
    layer = write(tmp_path / "layer", [folder("a")])

    content = gzip.decompress((tmp_path / "layer").read_bytes())
    assert layer.diff_id == digest_of(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames() == ["a"]
