"""The root and its nested stacks, deployed without an image: nested/image.yaml builds it.

The very templates, roles included, without what has nothing to do with the image: network,
database, services, alarms. The base image and the packages are small; the builder is the real one.
"""

import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import REPOSITORY, EmbeddedAws
from ..stack_driver import Stack, StackDriver
from .conftest import Repository
from .small_source import SmallSource

sys.path.insert(0, str(REPOSITORY / "tests" / "templates" / "support"))
from tests.attacks.reduced_stack import KEPT, ReducedStack

DEFINITION = "AWS::ECS::TaskDefinition"
GIVEN = "example/airflow:1"


class RootWithImage(ReducedStack):
    kept = KEPT | {
        "AWS::ECR::Repository",
        "AWS::Lambda::LayerVersion",
        "Custom::AirflowImage",
    }

    def __init__(self, stacks: StackDriver, source: SmallSource, options: str = "x86") -> None:
        self._source = source
        # The processor of the base image.
        super().__init__(stacks, "built", AirflowImageUri="", Options=options)

    def replace(self, kind: str, properties: dict[str, Any]) -> None:
        super().replace(kind, properties)
        if str(properties.get("Handler")).startswith("build_image."):
            properties["Code"] = self._source.code
            properties["Environment"]["Variables"].update(self._source.variables)
        if kind == "AWS::Lambda::LayerVersion":
            properties["Content"] = self._source.content()

    def update(self, **parameters: str) -> Stack:
        """The next deployment, with the source as it is now."""
        self._urls.clear()
        for cached in ("nested", "_resources"):
            vars(self).pop(cached, None)
        given = {"AirflowImageUri": "", "Options": "x86", **parameters}
        client = self._stacks.aws.client("cloudformation")
        client.update_stack(StackName=self.stack.id, **self.request(given))
        return self._stacks.wait(self.stack.id)

    def definitions(self) -> dict[str, str]:
        """Each task definition and its image."""
        ecs = self._stacks.aws.client("ecs")
        found = {}
        for arn in self.ids(DEFINITION):
            described = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
            (found[arn],) = {each["image"] for each in described["containerDefinitions"]}
        return found


def test_root_without_an_image_builds_it_and_every_task_runs_it(
    stacks: StackDriver, embedded_aws: EmbeddedAws, tmp_path: Path, base: str
) -> None:
    source = SmallSource(stacks, tmp_path, base)
    root = RootWithImage(stacks, source)
    ecr = embedded_aws.client("ecr")
    repository = Repository(ecr, root.id("ImageStack/Repository"))

    first = root.definitions()
    (image,) = set(first.values())
    (stored,) = ecr.describe_images(repositoryName=repository.name)["imageDetails"]
    assert len(first) == 4
    assert image == (
        f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{repository.name}@{stored['imageDigest']}"
    )

    # The same tree: there is nothing to do.
    with pytest.raises(ClientError, match="No updates are to be performed"):
        root.update()

    # Another commit with the same content: the builder is asked, and nothing else changes.
    source.write("labels.json", '{"revision": "another"}')
    updated = root.update()
    assert updated.status == "UPDATE_COMPLETE", stacks.failures(updated)
    assert root.definitions() == first
    assert len(repository.tags()) == 1

    # A source that cannot be built: the reason, and the former image in every task.
    source.write("user/requirements.txt", "nosuch\n")
    assert root.update().status == "UPDATE_ROLLBACK_COMPLETE"
    assert root.definitions() == first

    # A package and a plugin more.
    source.write("user/requirements.txt", "extra\n")
    source.write("user/plugins/own.py", "")
    updated = root.update()
    assert updated.status == "UPDATE_COMPLETE", stacks.failures(updated)
    second = root.definitions()
    assert len(set(second.values())) == 1
    assert set(second.values()) != {image}
    assert not set(second) & set(first)

    # An image of one's own in its place: builder and repository go.
    updated = root.update(AirflowImageUri=GIVEN)
    assert updated.status == "UPDATE_COMPLETE", stacks.failures(updated)
    assert set(root.definitions().values()) == {GIVEN}
    assert "ImageStack" not in root.nested
    names = [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]]
    assert repository.name not in names
