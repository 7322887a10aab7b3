"""Files that cannot be read do not end the scan of the folder."""

import time
from pathlib import Path
from typing import Any

import pytest

from airflow_on_fargate import patches
from airflow_on_fargate.patches.dag_processor import folder_scan


def test_other_files_are_listed_when_an_archive_cannot_be_read() -> None:
    from airflow.dag_processing.manager import DagFileInfo

    def files_inside(_: object, present: set[Any]) -> set[str]:
        [file] = present
        if file.rel_path.name == "encrypted.zip":
            raise RuntimeError("password required")
        return {f"{file.rel_path}/inside.py"}

    present = {
        DagFileInfo(rel_path=Path(name), bundle_name="releases")
        for name in ("encrypted.zip", "good.zip")
    }
    assert folder_scan._one_by_one(files_inside)(None, present) == {
        "encrypted.zip", "good.zip", "good.zip/inside.py",
    }  # fmt: skip


def test_invalid_lines_of_an_ignore_file_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow._shared.module_loading import file_discovery

    rule = file_discovery._GlobIgnoreRule
    monkeypatch.setattr(rule, "compile", staticmethod(rule.compile))
    monkeypatch.setattr(file_discovery, "open", open, raising=False)
    (tmp_path / ".airflowignore").write_bytes(b"# caf\xe9\n!\n[z-a]\n\\\nignored*\n")
    for name in ("ignored.py", "kept.py"):
        (tmp_path / name).touch()

    with pytest.raises(UnicodeDecodeError):
        list(file_discovery.find_path_from_directory(tmp_path, ".airflowignore"))
    patches.apply("dag_processor.folder_scan")
    found = list(file_discovery.find_path_from_directory(tmp_path, ".airflowignore"))
    assert found == [str(tmp_path / "kept.py")]


@pytest.mark.timeout(60)
def test_pattern_with_many_wildcards_does_not_stop_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow._shared.module_loading import file_discovery

    rule = file_discovery._GlobIgnoreRule
    monkeypatch.setattr(rule, "compile", staticmethod(rule.compile))
    monkeypatch.setattr(file_discovery, "open", open, raising=False)
    patches.apply("dag_processor.folder_scan")
    # Airflow alone takes hours for it.
    (tmp_path / ".airflowignore").write_text("*a*a*a*a*a*a*b\n")
    name = "a" * 240 + ".py"
    (tmp_path / name).touch()
    started = time.process_time()
    found = list(file_discovery.find_path_from_directory(tmp_path, ".airflowignore"))
    assert time.process_time() - started < 5
    assert found == [str(tmp_path / name)]
