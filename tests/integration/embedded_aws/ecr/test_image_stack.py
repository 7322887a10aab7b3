"""A stack that builds its image: source as a layer, function, custom resource, repository."""

from pathlib import Path
from typing import Any

from ..stack_driver import EXECUTION_ROLE, StackDriver
from .conftest import Repository
from .small_source import SmallSource


class ImageStack:
    """The template, with the source that it was last given."""

    def __init__(self, stacks: StackDriver, source: SmallSource) -> None:
        self._stacks = stacks
        self._source = source

    def template(self) -> dict[str, Any]:
        variables = {
            "REPOSITORY_NAME": {"Ref": "Repository"},
            "REPOSITORY_URI": {"Fn::GetAtt": ["Repository", "RepositoryUri"]},
            "IMAGE_ARCHITECTURE": "x86_64",
            "IMAGE_SOURCE": "/opt/image",
            "POWERTOOLS_SERVICE_NAME": "build-image",
            "POWERTOOLS_METRICS_NAMESPACE": "AirflowOnFargate",
            "STACK_NAME": "airflow",
            **self._source.variables,
        }
        return {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "Repository": {
                    "Type": "AWS::ECR::Repository",
                    "Properties": {
                        "ImageTagMutability": "IMMUTABLE",
                        "ImageScanningConfiguration": {"ScanOnPush": True},
                        "EmptyOnDelete": True,
                    },
                },
                "ImageSource": {
                    "Type": "AWS::Lambda::LayerVersion",
                    "Properties": {"Content": self._source.content()},
                },
                "Function": self._stacks.function(
                    "",
                    "build_image.handler.handler",
                    Code=self._source.code,
                    Layers=[{"Ref": "ImageSource"}],
                    Environment={"Variables": variables},
                    Timeout=600,
                ),
                "Image": {
                    "Type": "Custom::AirflowImage",
                    "Properties": {
                        "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                        "Source": {"Ref": "ImageSource"},
                    },
                },
            },
            "Outputs": {
                "Uri": {"Value": {"Fn::GetAtt": ["Image", "Uri"]}},
                "Repository": {"Value": {"Ref": "Repository"}},
            },
        }


def test_stack_builds_its_image_and_keeps_it_when_a_change_cannot_be_built(
    stacks: StackDriver, tmp_path: Path, base: str
) -> None:
    source = SmallSource(stacks, tmp_path, base)
    image = ImageStack(stacks, source)

    stack = stacks.create(image.template())

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    first = stack.outputs["Uri"]
    ecr = stacks.aws.client("ecr")
    repository = Repository(ecr, stack.outputs["Repository"])
    assert first.startswith(f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{repository.name}@sha")
    assert len(repository.tags()) == 1

    # A package that does not exist: the reason names it, and the former image stays.
    source.write("user/requirements.txt", "nosuch\n")
    stack = stacks.update(stack, image.template())
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "names nosuch, which does not exist" in stacks.failures(stack)["Image"]
    assert stack.outputs["Uri"] == first
    assert len(repository.tags()) == 1

    # One that exists, and a plugin.
    source.write("user/requirements.txt", "extra\n")
    source.write("user/plugins/own.py", "")
    stack = stacks.update(stack, image.template())
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stack.outputs["Uri"] != first
    assert len(repository.tags()) == 2

    # Back to the former content: the image exists.
    source.remove("user/requirements.txt")
    source.remove("user/plugins/own.py")
    stack = stacks.update(stack, image.template())
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stack.outputs["Uri"] == first
    assert len(repository.tags()) == 2

    assert stacks.delete(stack).status == "DELETE_COMPLETE"
