"""The digest of the base image in the Dockerfile."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from build_image.errors import ImageBuildError
from build_image.source import Source

ROOT = Path(__file__).resolve().parents[3]
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
NAME = "public.ecr.aws/docker/library/python:3.13-slim-bookworm"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pin", ROOT / "local" / "pin_base_image.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    path = tmp_path / "Dockerfile"
    text = (ROOT / "images" / "airflow" / "Dockerfile").read_text()
    path.write_text(re.sub(r"(?m)^(ARG PYTHON_IMAGE=[^@\n]+)@\S+$", r"\1", text))
    return path


def test_digest_is_written_behind_the_tag(script: ModuleType, dockerfile: Path) -> None:
    before = dockerfile.read_text()
    asked = []

    answer = script.pin(dockerfile, lambda name: asked.append(name) or ONE)

    assert asked == [NAME]
    assert answer.startswith(f"{NAME} is now {ONE} (before: the tag alone)")
    assert Source(dockerfile.parent, "arm64").base_image == f"{NAME}@{ONE}"
    assert dockerfile.read_text().replace(f"@{ONE}", "") == before


def test_digest_is_moved_to_the_image_that_the_tag_names_now(
    script: ModuleType, dockerfile: Path
) -> None:
    script.pin(dockerfile, lambda _: ONE)

    answer = script.pin(dockerfile, lambda _: TWO)

    assert f"before: {ONE}" in answer
    assert Source(dockerfile.parent, "arm64").base_image == f"{NAME}@{TWO}"


def test_digest_that_is_the_same_changes_nothing(script: ModuleType, dockerfile: Path) -> None:
    script.pin(dockerfile, lambda _: ONE)
    before = dockerfile.stat().st_mtime_ns

    assert script.pin(dockerfile, lambda _: ONE) == f"{NAME} is still {ONE}."
    assert dockerfile.stat().st_mtime_ns == before


def test_dockerfile_without_a_base_image_is_named(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")

    with pytest.raises(ImageBuildError, match="has no line ARG PYTHON_IMAGE"):
        script.pin(tmp_path / "Dockerfile", lambda _: ONE)
