"""Images built by the real uv from a small base image and tiny wheels."""

import errno
import importlib.util
import json
import marshal
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from image_parts import PYTHON, tar_of

from build_image.aws.ecr_repository import ThrottledError
from build_image.budget import MAX_CALLS, ContinueError
from build_image.errors import BaseImageError, ImageBuildError, OutOfTimeError, PackagesError
from build_image.image import PARTS_LABEL
from build_image.layers import tar_layer
from build_image.layers.tar_layer import FIXED_TIME

from .conftest import SITE_PACKAGES, ImageRepository, Workshop


def test_image_has_the_files_that_the_dockerfile_makes(workshop: Workshop) -> None:
    digest = workshop.build()
    files = workshop.repository.files_of(digest)

    home = files["opt/airflow"]
    assert (home.uid, home.gid, home.mode) == (50000, 50000, 0o700)
    assert files["opt/airflow/.profile"].uid == 50000
    assert files["usr/local/airflow/dags"].linkname == "/opt/airflow/dags"
    assert files["usr/bin/su"].mode == 0o755  # no program gets another user's rights
    assert files["etc/shadow"].gid == 42
    passwd = workshop.repository.content_of(digest, "etc/passwd").decode()
    assert passwd.endswith("airflow:x:50000:50000::/opt/airflow:/bin/sh\n")
    assert passwd.startswith("root:x:0:0:root:/root:/bin/bash\n")
    for path in (
        f"{SITE_PACKAGES}/corelib/__init__.py",
        f"{SITE_PACKAGES}/corelib/__pycache__/__init__.cpython-{PYTHON.replace('.', '')}.pyc",
        "opt/airflow-on-fargate/airflow_on_fargate/entrypoint.py",
    ):
        assert (files[path].uid, files[path].gid, files[path].mode) == (0, 0, 0o644), path


def test_environment_names_the_interpreter_and_the_paths_of_the_image(workshop: Workshop) -> None:
    digest = workshop.build()
    repository = workshop.repository

    files = repository.files_of(digest)
    assert files["opt/venv/bin/python"].linkname == "/usr/local/bin/python"
    assert files["opt/venv/bin/corelib"].mode == 0o755
    script = repository.content_of(digest, "opt/venv/bin/corelib")
    assert script.startswith(b"#!/opt/venv/bin/python\n")
    config = repository.content_of(digest, "opt/venv/pyvenv.cfg").decode()
    assert "home = /usr/local/bin\n" in config
    assert f"version_info = {PYTHON}.9\n" in config
    record = repository.content_of(digest, f"{SITE_PACKAGES}/corelib-1.0.dist-info/RECORD")
    assert b"bin/corelib,sha256=" in record
    assert f",{len(script)}\n".encode() in record
    for name in files:
        if files[name].isfile() and name.startswith("opt/"):
            assert str(workshop.work).encode() not in repository.content_of(digest, name), name


def test_tests_and_types_are_left_out_of_our_packages_and_not_of_the_users(
    workshop: Workshop,
) -> None:
    tests = {"extra/tests/test_extra.py": "", "extra/types.pyi": ""}
    workshop.wheels.add("extra", "1.0", modules=tests)
    workshop.write("user/requirements.txt", "extra\n")

    digest = workshop.build()

    files = set(workshop.repository.files_of(digest))
    assert {f"{SITE_PACKAGES}/{name}" for name in tests} <= files
    assert not [name for name in files if "corelib/tests" in name or "corelib/types" in name]
    record = workshop.repository.content_of(digest, f"{SITE_PACKAGES}/corelib-1.0.dist-info/RECORD")
    assert b"tests" not in record


def test_compiled_files_fit_their_sources(workshop: Workshop) -> None:
    """A compiled file that names another time would be compiled again at each start."""
    digest = workshop.build()
    path = f"{SITE_PACKAGES}/corelib/__init__.py"
    compiled = workshop.repository.content_of(digest, importlib.util.cache_from_source(path))

    flags, time, size = struct.unpack("<III", compiled[4:16])

    source = workshop.repository.files_of(digest)[path]
    assert (flags, time, size) == (0, source.mtime, source.size)
    assert source.mtime == FIXED_TIME
    assert marshal.loads(compiled[16:]).co_filename == f"/{path}"


def test_configuration_is_that_of_the_dockerfile(workshop: Workshop) -> None:
    config = workshop.repository.config_of(workshop.build())

    assert (config["architecture"], config["os"]) == ("amd64", "linux")
    run = config["config"]
    assert run["User"] == "50000:50000"
    assert run["Entrypoint"] == ["python", "-m", "airflow_on_fargate.entrypoint"]
    assert "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin" in run["Env"]
    assert "PYTHONPATH=/opt/airflow-on-fargate" in run["Env"]


def test_labels_name_commit_versions_and_build(workshop: Workshop) -> None:
    config = workshop.repository.config_of(workshop.build())

    labels = config["config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == "abc"
    assert labels["org.opencontainers.image.version"] == "3.3.2"
    assert labels["org.opencontainers.image.created"] == config["created"] == "2026-01-02T03:04:05Z"
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    assert labels["airflow-on-fargate.build"] == "7"
    assert labels["airflow-on-fargate.python"] == f"{PYTHON}.9"


def test_two_builds_of_the_same_source_are_identical(workshop: Workshop, tmp_path: Path) -> None:
    workshop.write("user/plugins/own.py", "NAMES = {'b', 'a', 'c'}\n")
    workshop.write("user/requirements.txt", "extra\n")
    workshop.wheels.add("extra", "1.0")
    first = workshop.build()

    second = workshop.another(tmp_path / "second").build()

    assert first == second


def test_same_content_builds_nothing(workshop: Workshop) -> None:
    first = workshop.build()
    requests, uploads = len(workshop.registry.requests), len(workshop.repository.uploads)
    workshop.write("labels.json", '{"revision": "def"}')

    assert workshop.build() == first

    assert len(workshop.registry.requests) == requests
    assert len(workshop.repository.uploads) == uploads


def test_change_of_code_uploads_the_code_and_the_configuration_only(workshop: Workshop) -> None:
    workshop.build()
    before = len(workshop.repository.uploads)
    workshop.write("src/airflow_on_fargate/entrypoint.py", "print('changed')\n")

    built = workshop.builder().build()

    assert set(built.made) == {"code"}
    assert len(workshop.repository.uploads) == before + 2
    content = workshop.repository.content_of(
        built.digest, "opt/airflow-on-fargate/airflow_on_fargate/entrypoint.py"
    )
    assert content == b"print('changed')\n"


def test_change_of_the_lock_installs_again_and_keeps_the_base(workshop: Workshop) -> None:
    workshop.build()
    workshop.write(
        "requirements.lock",
        (workshop.source / "requirements.lock").read_text() + workshop.wheels.add("more", "1.0"),
    )

    assert set(workshop.builder().build().made) == {"packages"}


def test_newer_base_image_comes_with_the_next_change(workshop: Workshop, base_layer: bytes) -> None:
    first = workshop.build()
    workshop.registry.add("python", "slim", base_layer, tar_of({"etc/fixed": "yes"}))

    assert workshop.build() == first  # a rollback, too, finds the former image
    workshop.write("src/airflow_on_fargate/new.py", "")
    built = workshop.builder().build()

    assert set(built.made) == {"base", "code"}
    assert workshop.repository.content_of(built.digest, "etc/fixed") == b"yes"


def test_pinned_base_image_stays_when_its_tag_moves(workshop: Workshop, base_layer: bytes) -> None:
    digest = workshop.registry.add("python", "slim", base_layer)
    name = f"{workshop.registry.host}/python:slim@{digest}"
    workshop.write("Dockerfile", f"ARG PYTHON_IMAGE={name}\n")
    workshop.build()
    workshop.registry.add("python", "slim", base_layer, tar_of({"etc/fixed": "yes"}))
    workshop.write("src/airflow_on_fargate/new.py", "")

    built = workshop.builder().build()

    assert set(built.made) == {"code"}
    labels = workshop.repository.config_of(built.digest)["config"]["Labels"]
    assert labels["org.opencontainers.image.base.name"] == name
    assert labels["org.opencontainers.image.base.digest"] == digest


def test_users_package_and_plugin_are_in_the_image(workshop: Workshop) -> None:
    workshop.wheels.add("extra", "1.0", "corelib>=1")
    workshop.write("user/requirements.txt", "# ours\nextra\n")
    workshop.write("user/plugins/own.py", "from airflow.plugins_manager import AirflowPlugin\n")

    built = workshop.builder().build()

    files = workshop.repository.files_of(built.digest)
    assert f"{SITE_PACKAGES}/extra/__init__.py" in files
    assert "opt/venv/bin/extra" in files
    assert "opt/airflow-user/plugins/own.py" in files
    config = workshop.repository.config_of(built.digest)
    # The layer adds to the environment and replaces nothing of it.
    parts = json.loads(config["config"]["Labels"][PARTS_LABEL])
    assert list(parts) == ["base", "packages", "code", "user"]
    assert len(parts["user"]["layers"]) == 1
    assert files["opt/venv/pyvenv.cfg"].mtime == FIXED_TIME


def test_image_without_plugins_has_their_folder(workshop: Workshop) -> None:
    """The setting plugins_folder names it, and the Dockerfile creates it."""
    folder = workshop.repository.files_of(workshop.build())["opt/airflow-user/plugins"]

    assert (folder.isdir(), folder.uid, folder.mode) == (True, 0, 0o755)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("packages.txt", "libpq5\n", r"names Debian packages.* the word codebuild"),
        ("requirments.txt", "extra\n", r"user/requirments\.txt is not used.* Rename"),
        ("requirements.txt", "extra\n-e .\n", r"requirements\.txt, line 2: '-e \.' cannot be"),
    ],
)
def test_users_file_that_cannot_be_used_is_refused_before_anything_is_downloaded(
    workshop: Workshop, name: str, text: str, reason: str
) -> None:
    workshop.write(f"user/{name}", text)

    with pytest.raises(ImageBuildError, match=reason):
        workshop.build()

    assert (workshop.registry.requests, workshop.repository.uploads) == ([], [])


def test_comments_alone_are_no_requirements(workshop: Workshop) -> None:
    workshop.write("user/requirements.txt", "# one package a line\n\n")

    assert "user" not in workshop.builder().build().made


def test_image_for_arm_gets_wheels_for_arm(workshop: Workshop, base_layer: bytes) -> None:
    workshop.registry.add("python", "slim", base_layer, architecture="arm64")
    tag = f"cp{PYTHON.replace('.', '')}-cp{PYTHON.replace('.', '')}-manylinux_2_17_aarch64"
    line = workshop.wheels.add("native", "1.0", tag=tag)
    workshop.write("requirements.lock", (workshop.source / "requirements.lock").read_text() + line)

    digest = workshop.builder(architecture="arm64").build().digest

    assert f"{SITE_PACKAGES}/native/__init__.py" in workshop.repository.files_of(digest)
    assert workshop.repository.config_of(digest)["architecture"] == "arm64"
    with pytest.raises(PackagesError, match=r"native 1\.0 of .*requirements\.lock has no wheel"):
        workshop.registry.add("python", "slim", base_layer)
        workshop.builder(architecture="x86_64").build()


def test_wheel_that_differs_from_its_hash_is_refused(workshop: Workshop) -> None:
    lock = (workshop.source / "requirements.lock").read_text()
    workshop.write("requirements.lock", lock[:-10] + "000000000\n")

    with pytest.raises(PackagesError, match=r"corelib.*its hash differs"):
        workshop.build()


def test_plugin_with_a_syntax_error_is_refused_before_anything_is_downloaded(
    workshop: Workshop,
) -> None:
    workshop.write("user/plugins/broken.py", "x = 1\ndef (:\n")

    with pytest.raises(ImageBuildError, match=r"user/plugins/broken\.py cannot .*line 2"):
        workshop.build()

    assert workshop.registry.requests == []


def test_plugin_that_cannot_be_imported_is_refused_and_the_former_image_stays(
    workshop: Workshop,
) -> None:
    workshop.build()
    before = dict(workshop.repository.tags)
    workshop.write("user/plugins/own.py", "import airflow.plugins_manager\nimport extra\n")

    with pytest.raises(ImageBuildError, match=r"own\.py, line 2, .* no module extra\. Add the"):
        workshop.build()
    assert workshop.repository.tags == before
    workshop.wheels.add("extra", "1.0")
    workshop.write("user/requirements.txt", "extra\n")

    assert set(workshop.builder().build().made) == {"user"}


def test_plugins_are_checked_again_with_other_packages(workshop: Workshop) -> None:
    """The plugins are the same, but what they import is gone."""
    workshop.write("user/plugins/own.py", "import corelib\n")
    workshop.build()
    lock = (workshop.source / "requirements.lock").read_text()
    workshop.write("requirements.lock", lock.splitlines(keepends=True)[0])

    with pytest.raises(ImageBuildError, match="no module corelib"):
        workshop.build()


def test_package_of_the_lock_file_for_another_python_is_not_taken_for_installed(
    workshop: Workshop,
) -> None:
    """The lock file is for several versions of Python."""
    workshop.wheels.add("old", "2.0")
    workshop.wheels.add("extra", "1.0", "old")
    lock = (workshop.source / "requirements.lock").read_text()
    line = workshop.wheels.add("old", "1.0").replace(" --", " ; python_version < '3' --")
    workshop.write("requirements.lock", lock + line)
    workshop.write("user/requirements.txt", "extra\n")

    files = workshop.repository.files_of(workshop.build())

    assert f"{SITE_PACKAGES}/old-2.0.dist-info/METADATA" in files


def test_patch_for_another_version_is_refused(workshop: Workshop) -> None:
    workshop.write(
        "src/airflow_on_fargate/patches/worker/one.py", 'require("corelib", "0.9", "0.8")\n'
    )

    with pytest.raises(
        ImageBuildError, match=r"tested with corelib 0\.9 and 0\.8, but .* has 1\.0"
    ):
        workshop.build()


def test_base_image_that_is_gone_is_named(workshop: Workshop) -> None:
    workshop.registry.documents.clear()

    with pytest.raises(BaseImageError, match="python:slim does not exist or is not public"):
        workshop.build()


def test_gone_base_image_leaves_the_former_image(workshop: Workshop) -> None:
    first = workshop.build()
    before = dict(workshop.repository.tags)
    workshop.registry.documents.clear()

    assert workshop.build() == first  # nothing has to be built
    workshop.write("src/airflow_on_fargate/new.py", "")
    with pytest.raises(BaseImageError, match="python:slim does not exist or is not public"):
        workshop.build()

    assert workshop.repository.tags == before


def test_base_image_without_this_python_is_refused(workshop: Workshop) -> None:
    files = {"etc/passwd": "", "etc/group": "", "usr/bin/python": "", "usr/bin/python2.7": ""}
    workshop.registry.add("python", "slim", tar_of(files))

    with pytest.raises(BaseImageError, match=f"has no Python {PYTHON} on its PATH"):
        workshop.build()


def test_build_goes_on_in_another_call_and_makes_no_part_twice(workshop: Workshop) -> None:
    workshop.write("user/plugins/own.py", "")
    builder = workshop.builder()
    workshop.seconds = 100  # enough for the first step only, which is always started
    seen = []
    for call in range(1, MAX_CALLS + 1):
        builder = workshop.builder(call=call, parts=builder.parts)
        try:
            built = builder.build()
            break
        except ContinueError as error:
            seen.append(str(error))
            assert workshop.repository.tags == {}

    assert seen == ["packages", "user"]
    assert built.digest in workshop.repository.manifests
    uploads = workshop.repository.uploads
    assert len(uploads) == len(set(uploads))


def test_build_that_needs_too_many_calls_fails_with_a_reason(workshop: Workshop) -> None:
    workshop.seconds = 100

    with pytest.raises(OutOfTimeError, match=r"not finished in 4 calls .* next step was: packages"):
        workshop.builder(call=MAX_CALLS).build()

    assert workshop.repository.tags == {}


def test_disk_that_is_too_small_is_named_before_the_step(workshop: Workshop) -> None:
    workshop.free_bytes = 100 * 2**20

    with pytest.raises(ImageBuildError, match=r"needs 1024 MiB .* has 100 MiB free"):
        workshop.build()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk .*is full: raise its Ephemeral"),
        (MemoryError(), "memory was not enough to build the image: raise its MemorySize"),
        (ThrottledError("ECR throttles the calls"), "throttles"),
    ],
)
def test_failure_of_any_step_leaves_no_tag_and_the_next_build_succeeds(
    workshop: Workshop, tmp_path: Path, error: Exception, reason: str
) -> None:
    """Each write to the registry fails once: base, system, packages, code, user, image, tag."""
    workshop.write("user/plugins/own.py", "")
    undisturbed = workshop.another(tmp_path / "undisturbed").build()
    repository = FailingRepository(workshop.repository, error)
    writes = 0

    while True:
        builder = workshop.builder()
        builder.repository = repository.failing_at(writes)
        try:
            digest = builder.build().digest
            break
        except Exception as raised:
            assert re.search(reason, str(raised))
            assert (workshop.repository.tags, workshop.work.exists()) == ({}, False)
            writes += 1

    assert (writes, digest) == (7, undisturbed)


class FailingRepository:
    """Passes calls on, and fails at one of the writes."""

    def __init__(self, repository: ImageRepository, error: Exception) -> None:
        self._repository = repository
        self._error = error
        self._left = 0

    def failing_at(self, write: int) -> Any:
        self._left = write
        return self

    def push_layer(self, file: Path, digest: str) -> None:
        self._write(lambda: self._repository.push_layer(file, digest))

    def put_image(self, manifest: bytes, digest: str, tag: str) -> str:
        return self._write(lambda: self._repository.put_image(manifest, digest, tag))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    def _write(self, write: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == -1:
            raise self._error
        return write()


def test_full_disk_is_named(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is full as soon as something is written to it."""
    monkeypatch.setattr(tar_layer, "write", lambda *_: Path("/dev/full").write_bytes(b"x" * 9999))

    with pytest.raises(ImageBuildError, match=r"disk \(/tmp\) is full: raise its EphemeralStora"):
        workshop.build()

    assert workshop.repository.tags == {}


def test_work_folder_is_empty_after_a_failure(workshop: Workshop) -> None:
    """The execution environment serves the next call, with the same disk."""
    workshop.write("user/requirements.txt", "nosuch\n")

    with pytest.raises(PackagesError):
        workshop.build()

    assert not workshop.work.exists()
