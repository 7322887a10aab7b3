"""build.sh and packages.Dockerfile, with a docker and an apt-get that only record their calls."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from build_image.codebuild import archive

FOLDER = Path(archive.__file__).parent
BASE = "public.ecr.aws/python@sha256:abc"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/airflow:codebuild-1"
# Layers of the image, and of the one that is built on top of it.
DOCKER = """#!/bin/bash
printf '%s\\n' "$*" >> "$CALLS"
[ "$1 $2" = "image inspect" ] && case "$4 $5" in
  *Layers*airflow) echo "sha256:1 sha256:2 " ;;
  *Layers*own) echo "${OWN_LAYERS:-sha256:1 sha256:2 sha256:3 }" ;;
  *User*own) echo "${OWN_USER:-\\"50000:50000\\"}" ;;
  *User*) echo '"50000:50000"' ;;
  *) echo '["python"]' ;;
esac
[ "$1 $2" != "$FAILING" ]
"""


@dataclass
class Build:
    """The folder of an unpacked source."""

    folder: Path

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(self.folder / "calls"),
            "IMAGE": IMAGE,
            "BASE_IMAGE": BASE,
            "FAILING": "",
            **variables,
        }
        return subprocess.run(
            ["bash", FOLDER / "build.sh"],
            cwd=self.folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip

    def calls(self) -> list[str]:
        """The calls of docker that change something."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if not line.startswith("image inspect")]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    made = Build(tmp_path)
    made.write("bin/docker", DOCKER, 0o755)
    made.write("labels", "a.title=one two\nb=$(id); --push\n")
    return made


def test_image_is_built_from_the_base_with_the_labels_and_pushed_last(build: Build) -> None:
    done = build.run()

    assert done.returncode == 0, done.stderr
    assert build.calls() == [
        "buildx build --load --provenance=false --progress=plain "
        f"--build-arg PYTHON_IMAGE={BASE} --label a.title=one two --label b=$(id); --push "
        "--file images/airflow/Dockerfile --tag airflow .",
        f"tag airflow {IMAGE}",
        f"push {IMAGE}",
    ]


def test_debian_packages_are_installed_into_the_base_first(build: Build) -> None:
    build.write("packages/packages.txt", "unixodbc\n")

    assert build.run().returncode == 0
    first, second, *_ = build.calls()
    assert first.endswith(f"--build-arg PYTHON_IMAGE={BASE} --tag base-with-packages packages")
    assert "--build-arg PYTHON_IMAGE=base-with-packages" in second


def test_own_dockerfile_gets_the_image_and_is_what_is_pushed(build: Build) -> None:
    build.write("own/Dockerfile", "")

    done = build.run()

    assert done.returncode == 0, done.stderr
    _image, own, tag, push = build.calls()
    assert "--build-arg AIRFLOW_IMAGE=airflow --label a.title=one two" in own
    assert own.endswith("--tag own own")
    assert (tag, push) == (f"tag own {IMAGE}", f"push {IMAGE}")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OWN_LAYERS": "sha256:1 "}, "must start from the image of this repository"),
        ({"OWN_LAYERS": "sha256:9 sha256:1 sha256:2 "}, "must start from the image"),
        ({"OWN_USER": '"root"'}, 'changes User of the image to "root": it must stay "50000:50000"'),
    ],
)
def test_own_image_that_tasks_cannot_start_with_is_not_pushed(
    build: Build, variables: dict[str, str], sentence: str
) -> None:
    build.write("own/Dockerfile", "")

    done = build.run(**variables)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert not [call for call in build.calls() if call.startswith(("tag", "push"))]


def test_build_that_fails_pushes_nothing(build: Build) -> None:
    assert build.run(FAILING="buildx build").returncode != 0
    assert len(build.calls()) == 1


# --- packages.Dockerfile ---


def run_packages(folder: Path, packages: str, known: str) -> tuple[int, str, list[str]]:
    """Run its instruction; returns the exit code, its errors, and the calls of apt-get."""
    text = (FOLDER / "packages.Dockerfile").read_text()
    command = text.split("\nRUN ")[1]
    command = command.replace("/tmp/packages.txt", str(folder / "packages.txt"))
    command = command.replace("/var/lib/apt/lists/", f"{folder}/lists/")
    programs = folder / "bin"
    programs.mkdir()
    calls = folder / "calls"
    calls.touch()
    for name, script in {
        "apt-get": f'printf "%s\\n" "$*" >> {calls}',
        "apt-cache": f'case " {known} " in *" $2 "*) ;; *) exit 100 ;; esac',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    (folder / "packages.txt").write_text(packages)
    done = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": f"{programs}:{os.environ['PATH']}"}, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stderr, calls.read_text().splitlines()


def test_packages_are_arguments_of_one_installation(tmp_path: Path) -> None:
    code, _, calls = run_packages(tmp_path, "unixodbc\nlibpq5=15.8\n", "unixodbc libpq5=15.8")

    assert code == 0
    assert calls == ["update", "install --yes --no-install-recommends -- unixodbc libpq5=15.8"]
    assert not (tmp_path / "packages.txt").exists()


def test_package_that_debian_does_not_have_is_named_and_nothing_is_installed(
    tmp_path: Path,
) -> None:
    code, errors, calls = run_packages(tmp_path, "curl\npython3.\n", "curl")

    assert code == 1
    assert "packages.txt names python3., which Debian does not have" in errors
    assert calls == ["update"]
