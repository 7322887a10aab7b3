"""Every package of the image's lock file has a wheel for both processors.

Only the package index is asked: nothing is downloaded but the descriptions of files, and no hash
is compared. The whole build for both processors: tests/containers/test_both_processors.py.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from image_parts import PYTHON, UV, Wheels

from build_image.errors import PackagesError
from build_image.model import ARCHITECTURES
from build_image.uv import Uv

LOCK = Path(__file__).parents[3] / "images" / "airflow" / "requirements.lock"
SECONDS = 300
# What uv says where no index answers.
UNREACHABLE = "error sending request"


def look_for_wheels(
    architecture: str, lock: Path, folder: Path, environment: Mapping[str, str], *options: str
) -> None:
    """Do what the builder does, but for the downloads."""
    uv = Uv(UV, architecture, folder, environment, ("--dry-run", *options))
    target = folder / architecture
    uv.create_environment(target)
    uv.install(target, lock, SECONDS)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_package_of_the_lock_file_has_a_wheel(architecture: str, tmp_path: Path) -> None:
    own = ("UV_", "SSL_CERT_")
    environment = {name: value for name, value in os.environ.items() if name.startswith(own)}
    try:
        look_for_wheels(architecture, LOCK, tmp_path, environment)
    except PackagesError as error:
        if UNREACHABLE in str(error) and not os.environ.get("CI"):
            pytest.skip("the package index cannot be reached")
        raise


def test_package_without_a_wheel_for_a_processor_is_noticed(tmp_path: Path) -> None:
    wheels = Wheels(tmp_path / "wheels")
    wheels.folder.mkdir()
    python = f"cp{PYTHON.replace('.', '')}"
    lock = tmp_path / "requirements.lock"
    lock.write_text(wheels.add("native", "1.0", tag=f"{python}-{python}-manylinux_2_17_x86_64"))
    options = ("--no-index", "--find-links", str(wheels.folder))

    look_for_wheels("x86_64", lock, tmp_path, {}, *options)
    with pytest.raises(PackagesError, match="native"):
        look_for_wheels("arm64", lock, tmp_path, {}, *options)
