"""Patches are applied once, to the versions that they name, or the process does not start."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import PATIENCE_SECONDS

import airflow_on_fargate
from airflow_on_fargate import configuration, patches

SOURCE = Path(airflow_on_fargate.__file__).parents[1]
FOLDER = Path(patches.__file__).parent
NAMES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if not path.stem.startswith("_")
)


def run(home: Path, *words: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a module as the image does; `first` precedes the installed packages on the path."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(path) for path in (first, SOURCE) if path),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+sqlite://",
    }
    configuration.apply(environment)
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def with_version(folder: Path, distribution: str, its_version: str) -> Path:
    """A folder with the metadata of another version of a distribution."""
    name = distribution.replace("-", "_")
    metadata = folder / f"{name}-{its_version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {its_version}\n", "utf-8"
    )
    return folder


def test_every_patch_is_used_by_a_component() -> None:
    assert sorted({n for names in patches.BY_COMPONENT.values() for n in names}) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_patch_names_its_versions_and_its_reason(name: str) -> None:
    source = FOLDER.joinpath(*name.split(".")).with_suffix(".py").read_text("utf-8")
    assert "require(" in source
    origins = ("https://github.com/", "No upstream report is known.", "Not a correction:")
    assert any(origin in source for origin in origins)


def test_installed_version_is_patched_when_the_patch_names_it() -> None:
    installed = version("kombu")
    assert patches.require("kombu", "1.0", installed)
    assert not patches.require("kombu", "1.0", without=(installed,))


def test_unknown_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(patches.PatchError) as refusal:
        patches.require("kombu", "1.0", "1.1")
    assert str(refusal.value) == (
        f"kombu {version('kombu')} is installed, but the patch was tested with 1.0 and 1.1 only. "
        "Install that version, or check whether the new one still needs the patch and name it there"
    )


def test_missing_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from kombu.transport.SQS import Channel

    monkeypatch.delattr(Channel, "_on_messages_ready")
    with pytest.raises(patches.PatchError, match=r"'worker\.failed_polls'.*_on_messages_ready"):
        patches.apply("worker.failed_polls")


def test_function_is_replaced_once() -> None:
    owner = SimpleNamespace(add=lambda number: number + 1)
    for _ in range(2):
        patches.replace(owner, "add", lambda original: lambda number: original(number) * 10)
    assert owner.add(1) == 20


def test_two_patches_of_one_function_both_apply() -> None:
    owner = SimpleNamespace(add=lambda number: number + 1)

    def ten_times(original: Callable[[int], int]) -> Callable[[int], int]:
        return lambda number: original(number) * 10

    def and_one(original: Callable[[int], int]) -> Callable[[int], int]:
        return lambda number: original(number) + 1

    for make in (ten_times, and_one, ten_times):
        patches.replace(owner, "add", make)
    assert owner.add(1) == 21


def test_build_succeeds_with_the_locked_versions(tmp_path: Path) -> None:
    done = run(tmp_path, "airflow_on_fargate.patches")
    assert done.returncode == 0, done.stderr
    assert "cannot be applied" not in done.stdout + done.stderr


def test_build_fails_with_each_patch_that_does_not_know_a_version(tmp_path: Path) -> None:
    done = run(
        tmp_path, "airflow_on_fargate.patches", first=with_version(tmp_path, "kombu", "99.0")
    )
    assert done.returncode == 1
    sentences = [line for line in done.stderr.splitlines() if "cannot be applied" in line]
    assert [line.split("'")[1] for line in sentences] == [
        "worker.failed_polls",
        "worker.request_limits",
    ]
    assert all("kombu 99.0 is installed" in line for line in sentences)


@pytest.mark.parametrize(
    ("distribution", "words", "says"),
    [
        ("kombu", ("airflow", "celery", "worker"), "The worker cannot start."),
        (
            "apache-airflow",
            ("airflow_on_fargate.component", "dag-processor"),
            "The dag-processor cannot start.",
        ),
        (
            "apache-airflow",
            ("airflow_on_fargate.component", "api-server"),
            "The api-server cannot start.",
        ),
        (
            "apache-airflow",
            ("airflow_on_fargate.component", "triggerer"),
            "The triggerer cannot start.",
        ),
    ],
)
def test_component_exits_with_a_sentence_when_a_patch_does_not_know_the_version(
    tmp_path: Path, distribution: str, words: tuple[str, ...], says: str
) -> None:
    done = run(tmp_path, *words, first=with_version(tmp_path, distribution, "99.0"))
    assert done.returncode == 1, done.stderr
    assert f"{says} The patch" in done.stderr
    assert f"{distribution} 99.0 is installed" in done.stderr
