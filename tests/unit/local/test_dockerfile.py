"""What the Dockerfile says, without a build: who runs, and what the copied package is made of.

`make test-image` proves the same in a built image. It is long and needs podman, so a mistake of one
word would be noticed late.
"""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "images" / "airflow" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its text, with the continued lines in one."""
    lines = [
        line
        for line in DOCKERFILE.read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, rest.strip()) for word, _, rest in (x.partition(" ") for x in joined.split("\n"))
    ]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, text in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, text))
    return found


def commands(stage: list[tuple[str, str]]) -> list[str]:
    return [
        command.strip() for word, text in stage if word == "RUN" for command in text.split("&&")
    ]


def test_image_runs_as_a_numbered_user_without_rights():
    (user,) = (text for word, text in stages()[-1] if word == "USER")

    # ECS compares numbers where a task definition names none, and the volumes have this owner.
    assert user == "50000:50000"
    assert any("useradd --uid 50000 --gid 50000" in each for each in commands(stages()[-1]))


def test_every_installed_package_is_compiled():
    """A worker's first task waits 1.7 s for imports instead of 5.1 s."""
    of_the_lock, of_the_user = (each for each in commands(stages()[0]) if "uv pip install" in each)
    own, plugins = (each for each in commands(stages()[0]) if "compileall" in each)

    assert "--compile-bytecode" in of_the_lock.split()
    assert "--compile-bytecode" in of_the_user.split()
    assert own.endswith("/opt/airflow-on-fargate")
    assert "/opt/airflow-user" in plugins


def test_copied_package_holds_the_files_to_which_its_links_point(tmp_path: Path):
    """The Dockerfile's own command, on the files that its COPY instructions name."""
    build = stages()[0]
    for word, text in build:
        sources, _, target = text.rpartition(" ")
        if word == "COPY" and target.startswith("/build/") and (ROOT / sources).is_dir():
            shutil.copytree(ROOT / sources, tmp_path / target.lstrip("/"), symlinks=True)
    (copy,) = (each for each in commands(build) if each.startswith("cp "))
    (tmp_path / "opt" / "airflow-on-fargate").mkdir(parents=True)

    words = [re.sub(r"^/", f"{tmp_path}/", word) for word in copy.split()]
    subprocess.run(words, check=True)

    package = tmp_path / "opt" / "airflow-on-fargate" / "airflow_on_fargate"
    assert (package / "contracts" / "names.py").is_file()
    assert [path for path in package.rglob("*") if path.is_symlink()] == []
