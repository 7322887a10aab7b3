"""A stack that builds its image: source as a layer, function, custom resource, repository."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import aws_lambda_powertools
import jmespath
import pytest
import typing_extensions
from image_parts import UV, Wheels, debian_layer

from ..conftest import REPOSITORY, EmbeddedAws
from ..stack_driver import BUCKET, EXECUTION_ROLE, StackDriver
from .conftest import Repository, digest_of, manifest_of

# That of Lambda, which is that of .venv/lambda.
PYTHON = "3.13"


def zipped(*folders: tuple[Path, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for top, prefix in folders:
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file() and "__pycache__" not in path.parts:
                    inner = path.relative_to(top) if top.is_dir() else ""
                    archive.write(path, str(Path(prefix) / inner))
    return out.getvalue()


@pytest.fixture
def base(embedded_aws: EmbeddedAws) -> str:
    """The base image, in the place of the public registry."""
    ecr = embedded_aws.client("ecr")
    ecr.create_repository(repositoryName="lambda-base")
    repository = Repository(ecr, "lambda-base")
    layer = debian_layer(PYTHON)
    config = {
        "architecture": "amd64",
        "config": {"Env": ["PATH=/usr/local/bin"]},
        "rootfs": {"diff_ids": [digest_of(b"")]},
    }
    packed = json.dumps(config).encode()
    manifest = json.loads(manifest_of(repository.layer(packed), repository.layer(layer)))
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    repository.put(json.dumps(manifest), "slim")
    return "public.ecr.aws/lambda-base:slim"


class ImageStack:
    """The template, with the source that it was last given."""

    def __init__(self, stacks: StackDriver, folder: Path, base: str) -> None:
        self._stacks = stacks
        self._wheels = Wheels(folder / "wheels")
        self._wheels.folder.mkdir()
        self.source = folder / "source"
        lock = self._wheels.add("apache_airflow", "3.3.2").replace("apache_", "apache-", 1)
        self._wheels.add("extra", "1.0")
        self.write("requirements.lock", lock)
        self.write("Dockerfile", f"ARG PYTHON_IMAGE={base}\n")
        self.write("src/airflow_on_fargate/__init__.py", "")
        self.write("labels.json", "{}")
        self._index = self._wheels.index()
        functions = REPOSITORY / "functions"
        self._code = self._upload(
            (functions / "build_image", "build_image"),
            (functions / "shared", "shared"),
            (Path(aws_lambda_powertools.__file__).parent, "aws_lambda_powertools"),
            (Path(jmespath.__file__).parent, "jmespath"),
            (Path(typing_extensions.__file__), "typing_extensions.py"),
        )

    def write(self, name: str, text: str) -> None:
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def template(self) -> dict[str, Any]:
        variables = {
            "REPOSITORY_NAME": {"Ref": "Repository"},
            "REPOSITORY_URI": {"Fn::GetAtt": ["Repository", "RepositoryUri"]},
            "IMAGE_ARCHITECTURE": "x86_64",
            "IMAGE_SOURCE": "/opt/image",
            "BASE_IMAGE_MIRROR": self._stacks.aws.endpoint_url,
            "UV_FOLDER": str(UV.parents[1]),
            "UV_DEFAULT_INDEX": self._index,
            "POWERTOOLS_SERVICE_NAME": "build-image",
            "POWERTOOLS_METRICS_NAMESPACE": "AirflowOnFargate",
            "STACK_NAME": "airflow",
        }
        return {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "Repository": {
                    "Type": "AWS::ECR::Repository",
                    "Properties": {"ImageTagMutability": "IMMUTABLE", "EmptyOnDelete": True},
                },
                "ImageSource": {
                    "Type": "AWS::Lambda::LayerVersion",
                    "Properties": {"Content": self._upload((self.source, "image"))},
                },
                "Function": self._stacks.function(
                    "",
                    "build_image.handler.handler",
                    Code=self._code,
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

    def _upload(self, *folders: tuple[Path, str]) -> dict[str, str]:
        key = self._stacks.upload(zipped(*folders)).rsplit("/", 1)[-1]
        return {"S3Bucket": BUCKET, "S3Key": key}


def test_stack_builds_its_image_and_keeps_it_when_a_change_cannot_be_built(
    stacks: StackDriver, tmp_path: Path, base: str
) -> None:
    image = ImageStack(stacks, tmp_path, base)

    stack = stacks.create(image.template())

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    first = stack.outputs["Uri"]
    ecr = stacks.aws.client("ecr")
    repository = Repository(ecr, stack.outputs["Repository"])
    assert first.startswith(f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{repository.name}@sha")
    assert len(repository.tags()) == 1

    # A package that does not exist: the reason names it, and the former image stays.
    image.write("user/requirements.txt", "nosuch\n")
    stack = stacks.update(stack, image.template())
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "names nosuch, which does not exist" in stacks.failures(stack)["Image"]
    assert stack.outputs["Uri"] == first
    assert len(repository.tags()) == 1

    # One that exists, and a plugin.
    image.write("user/requirements.txt", "extra\n")
    image.write("user/plugins/own.py", "")
    stack = stacks.update(stack, image.template())
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stack.outputs["Uri"] != first
    assert len(repository.tags()) == 2

    # Back to the former content: the image exists.
    (image.source / "user/requirements.txt").unlink()
    (image.source / "user/plugins/own.py").unlink()
    stack = stacks.update(stack, image.template())
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stack.outputs["Uri"] == first
    assert len(repository.tags()) == 2

    assert stacks.delete(stack).status == "DELETE_COMPLETE"
