"""`sam deploy` alone brings a package and a plugin into the image, and into every task.

The whole stack, deployed from a copy of the sources. Only the package's index is a folder here.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from image_parts import Wheels
from transcript import Transcript

from commands import deployment, emulator, smoke
from commands.workspace import ROOT, stack_name
from tests.fleet.conftest import new_workspace
from tests.fleet.stack import Stack

USER = "images/airflow/user"
PLUGIN = """
import extra
from airflow.plugins_manager import AirflowPlugin

class Own(AirflowPlugin):
    name = f"own-{extra.VERSION}"
"""
DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def uses_extra():
    @task
    def version():
        import extra
        assert extra.VERSION == "1.0"
    version()

uses_extra()
"""


@dataclass
class BuiltStack(Stack):
    """The stack with the image that it builds from a folder."""

    root: Path = field(default_factory=Path)

    def deploy_sources(self) -> float:
        """`sam build` and `sam deploy` with the sources as they are; returns the seconds."""
        begun = time.monotonic()
        deployment.build(self.workspace, self.root)
        deployment.deploy(self.workspace, Transcript(), self.overrides, self.root)  # type: ignore[arg-type]
        vars(self).pop("outputs", None)
        return time.monotonic() - begun

    def write(self, name: str, text: str) -> None:
        path = self.root / USER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def images(self) -> dict[str, str]:
        """The image of each running task, by its task definition."""
        ecs, cluster = self.client("ecs"), self.outputs["ClusterName"]
        arns = ecs.list_tasks(cluster=cluster)["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return {task["taskDefinitionArn"]: task["containers"][0]["image"] for task in tasks}

    def updated(self) -> Any:
        (found,) = self.client("cloudformation").describe_stacks(StackName=stack_name())["Stacks"]
        return found.get("LastUpdatedTime")

    def has_run(self, dag_id: str) -> str:
        """Run a DAG once; returns the state."""
        run_id = self.api.trigger(dag_id)
        seconds = 300
        smoke.wait_until(
            lambda: self.api.run(dag_id, run_id)["state"] in ("success", "failed"),
            seconds,
            f"the end of {dag_id}",
        )
        return str(self.api.run(dag_id, run_id)["state"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltStack]:
    folder = tmp_path_factory.mktemp("image")
    root = folder / "checkout"
    for source in deployment.SOURCES:
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, root / source, symlinks=True, ignore=ignored)
        else:
            (root / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, root / source)
    wheels = Wheels(folder / "wheels")
    wheels.folder.mkdir()
    wheels.add("extra", "1.0")
    stack = BuiltStack(new_workspace(tmp_path_factory.mktemp("stack")), root=root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", wheels.index())
        emulator.start(stack.workspace)
    try:
        print(f"first deployment: {stack.deploy_sources():.0f} s")
        smoke.wait_healthy(stack.outputs)
        stack.upload_dag()
        yield stack
    finally:
        emulator.end(stack.workspace)


def test_package_and_plugin_reach_every_task_and_a_running_task_ends_on_the_former_image(
    built: BuiltStack,
) -> None:
    first = built.outputs["AirflowImageUri"]
    assert set(built.images().values()) == {first}
    run_id = built.start(150)
    built.wait_for(run_id, {"running"}, 120)
    (worker,) = built.workers()

    built.write("requirements.txt", "extra\n")
    built.write("plugins/own.py", PLUGIN)
    print(f"\npackage and plugin: {built.deploy_sources():.0f} s")

    second = built.outputs["AirflowImageUri"]
    assert second != first
    families = {arn.rsplit("/", 1)[-1] for arn, image in built.images().items() if image == second}
    assert families >= {f"{stack_name()}-{name}:2" for name in ("api-server", "control-plane")}
    smoke.wait_healthy(built.outputs)
    vars(built).pop("api", None)
    assert "own-1.0" in {each["name"] for each in built.api.get("plugins")["plugins"]}

    # The worker that had a task keeps its image until the task has ended, and starts none.
    assert built.wait_for(run_id, {"success", "failed"}, 300)["state"] == "success"
    assert [each["try"] for each in built.tries(run_id)] == [1]
    assert worker["containers"][0]["image"] == first
    built.client("s3").put_object(
        Bucket=built.outputs["DagBucketName"], Key="dags/uses_extra.py", Body=DAG.encode()
    )
    smoke.wait_until(lambda: "uses_extra" in built.api.dags(), 120, "the DAG that uses the package")
    assert built.has_run("uses_extra") == "success"
    assert built.workers()[-1]["containers"][0]["image"] == second


def test_unchanged_tree_changes_nothing(built: BuiltStack) -> None:
    before, image = built.updated(), built.outputs["AirflowImageUri"]

    print(f"\nunchanged: {built.deploy_sources():.0f} s")

    assert built.updated() == before
    assert built.outputs["AirflowImageUri"] == image


def test_package_that_does_not_exist_leaves_everything_as_it_is(built: BuiltStack) -> None:
    image, running = built.outputs["AirflowImageUri"], built.images()
    built.write("requirements.txt", "extra\nnosuch-package\n")

    with pytest.raises(deployment.CommandError, match="nosuch-package, which does not exist"):
        built.deploy_sources()

    assert deployment.stack_status(built.workspace) == "UPDATE_ROLLBACK_COMPLETE"
    vars(built).pop("outputs", None)
    assert built.outputs["AirflowImageUri"] == image
    assert built.images() == running
