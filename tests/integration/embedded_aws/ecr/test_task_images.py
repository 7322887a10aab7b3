"""Tasks run images of ECR as local processes: their files, with this machine's interpreter."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_parts import PYTHON, tar_of

from ..conftest import EMULATOR_PYTHON, REGION, EmbeddedAws, running_embedded_aws
from ..ecs_tasks import Ecs
from ..roles import create_role, put_policy
from .conftest import Repository, manifest_of

REGISTRY = f"{'0' * 12}.dkr.ecr.{REGION}.amazonaws.com"
PROGRAM = """
import os, sys
import added
print(sys.executable)
print(os.path.dirname(__file__).partition("/opt/")[2], added.WORD)
print(os.environ["HOME_OF_APP"], os.environ["PLUGINS"].partition("/opt/")[2])
print(os.environ["EVERYWHERE"])
"""
CONFIG = {
    "architecture": "amd64",
    "config": {
        "Entrypoint": ["python", "-m", "program"],
        "Env": [
            "PATH=/opt/venv/bin:/usr/bin",
            "PYTHONPATH=/opt/app",
            "HOME_OF_APP=/opt/home",
            "PLUGINS=/opt/plugins",
        ],
        "Volumes": {"/opt/home": {}},
    },
}
FILES = {
    "opt/app/program.py": PROGRAM,
    f"opt/venv/lib/python{PYTHON}/site-packages/added.py": "WORD = 'first'",
    "etc/passwd": "not unpacked",
}


@pytest.fixture(scope="module")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """An emulator that runs images of ECR."""
    with running_embedded_aws(
        tmp_path_factory.mktemp("task-images"),
        image_python=str(EMULATOR_PYTHON),
        image_env={"EVERYWHERE": "{task_ip} {image_dir}/opt/app"},
    ) as running:
        yield running


def push(repository: Repository, *layers: bytes, tag: str | None = None) -> str:
    """Store an image; returns its name by digest."""
    config = repository.layer(json.dumps(CONFIG).encode())
    stored = [repository.layer(layer) for layer in layers]
    digest = repository.put(manifest_of(config, *stored), tag)
    return f"{REGISTRY}/{repository.name}@{digest}"


def test_task_runs_the_files_and_the_environment_of_its_image(
    ecs: Ecs, repository: Repository, embedded_aws: EmbeddedAws
) -> None:
    image = push(repository, tar_of(FILES))

    task = ecs.finished(ecs.register("", image))

    assert task["containers"][0]["exitCode"] == 0, ecs.output(task)
    python, code, places, address = ecs.output(task)
    assert python == str(EMULATOR_PYTHON)
    assert code == "app first"
    home, plugins = places.split()
    assert Path(home).name == "home"
    assert Path(home).is_relative_to(embedded_aws.state_dir / "tasks")
    assert plugins == "plugins"
    assert address.startswith("127.")
    assert (Path(address.split()[1]) / "program.py").read_text() == PROGRAM
    assert not list(embedded_aws.state_dir.glob("images/*/etc"))


def test_later_layer_replaces_a_file_and_a_running_image_keeps_its_own(
    ecs: Ecs, repository: Repository
) -> None:
    first = push(repository, tar_of(FILES))
    changed = tar_of({"opt/app/program.py": "print('changed')"})
    second = push(repository, tar_of(FILES), changed, tag="second")

    for image, line in (
        (second, "changed"),
        (f"{REGISTRY}/{repository.name}:second", "changed"),
        (first, str(EMULATOR_PYTHON)),
    ):
        assert ecs.output(ecs.finished(ecs.register("", image)))[0] == line


def test_task_does_not_start_when_its_image_is_not_in_the_repository(
    ecs: Ecs, repository: Repository
) -> None:
    image = f"{REGISTRY}/{repository.name}@sha256:{'0' * 64}"

    task = ecs.finished(ecs.register("", image))

    assert task["stopCode"] == "TaskFailedToStart"
    assert "CannotPullContainerError" in task["stoppedReason"]
    assert f"{image}: not found" in task["stoppedReason"]


@pytest.mark.parametrize(
    "without",
    [
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ],
)
def test_task_does_not_start_when_its_execution_role_may_not_pull(
    ecs: Ecs, repository: Repository, without: str
) -> None:
    image = push(repository, tar_of(FILES))
    arn = f"arn:aws:ecr:{REGION}:{'0' * 12}:repository/{repository.name}"
    statements = {
        "ecr:GetAuthorizationToken": "*",
        "ecr:BatchCheckLayerAvailability": arn,
        "ecr:BatchGetImage": arn,
        "ecr:GetDownloadUrlForLayer": arn,
        "logs:*": "*",
    }
    role = create_role(ecs.aws, "ecs-tasks.amazonaws.com")
    allowed = [
        {"Action": action, "Resource": resource}
        for action, resource in statements.items()
        if action != without
    ]
    put_policy(ecs.aws, role, *allowed)

    task = ecs.finished(ecs.register("", image, execution_role=role))

    assert task["stopCode"] == "TaskFailedToStart"
    assert without in task["stoppedReason"]
