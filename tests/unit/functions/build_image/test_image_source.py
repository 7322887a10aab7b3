"""What `sam build` gives the function: the source of the image, and uv."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from build_image.source import Source, files_of

from .conftest import REPOSITORY


def make(target: str, folder: Path, repository: Path = REPOSITORY) -> None:
    # As SAM calls it: in a copy of the folder, with the path of the original file.
    done = subprocess.run(
        ["make", "--makefile", repository / "functions" / "Makefile", target],
        cwd=folder, env={**os.environ, "ARTIFACTS_DIR": str(folder), "BUILD_NUMBER": "7"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_source_is_complete_and_its_labels_name_the_commit(tmp_path: Path) -> None:
    make("build-ImageSource", tmp_path)
    source = Source(tmp_path / "image", "arm64")

    assert source.tag().startswith("content-")
    assert (source.package / "airflow_on_fargate" / "contracts" / "names.py").is_file()
    assert not list(tmp_path.rglob("__pycache__"))
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]
    labels = source.labels()
    assert re.match(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["org.opencontainers.image.created"]
    )
    assert labels["airflow-on-fargate.build"] == "7"


def test_source_without_a_git_repository_is_complete(tmp_path: Path) -> None:
    """A downloaded archive of the repository has no commits."""
    copy = tmp_path / "copy"
    for name in ("functions/contracts", "images/airflow", "local/environments"):
        shutil.copytree(
            REPOSITORY / name, copy / name, symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
    shutil.copy(REPOSITORY / "functions" / "Makefile", copy / "functions" / "Makefile")
    (copy / "images/airflow/user/plugins").mkdir(parents=True, exist_ok=True)
    (copy / "images/airflow/user/plugins/own.py").touch()
    (copy / "images/airflow/user/accepted-findings.toml").touch()
    target = tmp_path / "target"
    target.mkdir()

    make("build-ImageSource", target, copy)

    written = json.loads((target / "image" / "labels.json").read_text())
    assert (written["revision"], written["created"]) == ("", "")
    source = Source(target / "image", "arm64")
    assert source.labels()["org.opencontainers.image.revision"] == "unknown"
    assert "own.py" in files_of(source.plugins)
    assert source.accepted_findings.is_file()


def test_accepted_findings_are_part_of_the_source_and_of_no_image(tmp_path: Path) -> None:
    """A change of them makes another version of the layer, and the image keeps its tag."""
    make("build-ImageSource", tmp_path)
    former = Source(tmp_path / "image", "arm64").tag()

    source = Source(tmp_path / "image", "arm64")
    source.accepted_findings.write_text("[[finding]]\n")

    assert source.tag() == former
