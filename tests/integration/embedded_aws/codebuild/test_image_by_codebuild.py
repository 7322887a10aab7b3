"""The root with the word codebuild: CodeBuild builds the image in the function's place.

The very templates and the very function. Where podman works, images are really built, from a small
base image; elsewhere a build fails, and its log says why.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_image
from botocore.exceptions import ClientError
from podman import needs_podman

from ..conftest import EmbeddedAws, running_embedded_aws
from ..ecr.conftest import store_base
from ..ecr.small_source import SmallSource
from ..ecr.test_image_template import RootWithImage
from ..stack_driver import Stack, StackDriver

DOCKERFILE = """\
ARG PYTHON_IMAGE=public.ecr.aws/small-base:1
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.version=another
COPY images/airflow/src /opt/airflow-on-fargate
COPY images/airflow/user /opt/user
"""
WORDS = "x86,codebuild"


class RootWithCodeBuild(RootWithImage):
    kept = RootWithImage.kept | {"AWS::CodeBuild::Project"}

    def update(self, **parameters: str) -> Stack:
        return super().update(**{"Options": WORDS, **parameters})

    def reason(self) -> str:
        """Why the image's nested stack failed last."""
        client = self._stacks.aws.client("cloudformation")
        pages = client.get_paginator("describe_stack_events").paginate(
            StackName=self.nested["ImageStack"]
        )
        found: list[str] = [
            event["ResourceStatusReason"]
            for page in pages
            for event in page["StackEvents"]
            if event["LogicalResourceId"] == "Image" and "FAILED" in event["ResourceStatus"]
        ]
        return found[0]  # the newest comes first

    def images(self) -> list[dict[str, Any]]:
        """Every stored image, the oldest first."""
        ecr = self._stacks.aws.client("ecr")
        described = ecr.describe_images(repositoryName=self.id("ImageStack/Repository"))
        found: list[dict[str, Any]] = described["imageDetails"]
        return sorted(found, key=lambda one: str(one["imagePushedAt"]))

    def number_of_builds(self) -> int:
        return len(self._stacks.aws.client("codebuild").list_builds()["ids"])

    def config(self, digest: str) -> dict[str, Any]:
        """The configuration of an image, as `skopeo inspect` finds it."""
        ecr, name = self._stacks.aws.client("ecr"), self.id("ImageStack/Repository")
        (image,) = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageDigest": digest}])[
            "images"
        ]
        described = json.loads(image["imageManifest"])["config"]["digest"]
        url = f"{self._stacks.aws.endpoint_url}/v2/{name}/blobs/{described}"
        done = subprocess.run(["curl", "-sf", url], capture_output=True, check=True)
        config: dict[str, Any] = json.loads(done.stdout)["config"]
        return config


def small_source(stacks: StackDriver, folder: Path, base: str) -> SmallSource:
    source = SmallSource(stacks, folder, base)
    source.write("uv.lock", "uv==1\n")
    source.write("labels.json", '{"revision": "abc", "build": "7"}')
    return source


# --- without podman ---


@pytest.fixture(scope="module")
def bare_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """An emulator on a machine that has every program but podman."""
    programs = tmp_path_factory.mktemp("programs")
    for folder in os.environ["PATH"].split(os.pathsep):
        for path in Path(folder).iterdir() if Path(folder).is_dir() else ():
            link = programs / path.name
            if path.name != "podman" and not link.is_symlink():
                link.symlink_to(path)
    environment = {"PATH": str(programs)}
    with running_embedded_aws(tmp_path_factory.mktemp("bare"), environment) as running:
        yield running


def test_failed_build_ends_the_deployment_with_its_log_and_the_former_image_stays(
    bare_aws: EmbeddedAws, tmp_path: Path
) -> None:
    stacks = StackDriver(bare_aws)
    source = small_source(stacks, tmp_path, store_base(bare_aws))
    root = RootWithCodeBuild(stacks, source)
    by_function = root.definitions()

    updated = root.update()

    assert updated.status == "UPDATE_ROLLBACK_COMPLETE"
    reason = root.reason()
    assert "in CodeBuild failed in the phase BUILD" in reason
    assert "docker: this machine has no podman" in reason
    assert "The former image stays." in reason
    # The rollback built nothing: its image is in the repository.
    assert root.definitions() == by_function
    assert root.number_of_builds() == 1

    # A file that needs CodeBuild is refused without the word, which the reason names.
    source.write("user/packages.txt", "unixodbc\n")
    updated = root.update(Options="x86")
    assert updated.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "add the word codebuild to Options" in root.reason()
    assert root.definitions() == by_function
    assert root.number_of_builds() == 1


# --- with podman ---


@pytest.fixture(scope="module")
def podman_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with running_embedded_aws(tmp_path_factory.mktemp("codebuild")) as running:
        registry = f"127.0.0.1:{running.config['endpoint_port']}"
        running.client("ecr").create_repository(repositoryName="small-base")
        subprocess.run(
            ["podman", "push", "--quiet", "--tls-verify=false", "--format", "oci",
             small_image.build(), f"{registry}/small-base:1"],
            check=True, capture_output=True,
        )  # fmt: skip
        yield running


@needs_podman
def test_codebuild_builds_the_dockerfile_with_the_labels_of_the_function(
    podman_aws: EmbeddedAws, tmp_path: Path
) -> None:
    stacks = StackDriver(podman_aws)
    source = small_source(stacks, tmp_path, "public.ecr.aws/small-base:1")
    source.write("Dockerfile", DOCKERFILE)
    root = RootWithCodeBuild(stacks, source, options=WORDS)

    (first,) = root.images()
    assert first["imageTags"][0].startswith("codebuild-")
    assert set(root.definitions().values()) == {
        f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{first['repositoryName']}"
        f"@{first['imageDigest']}"
    }
    labels = root.config(first["imageDigest"])["Labels"]
    assert labels["org.opencontainers.image.revision"] == "abc"
    # What is given to the build counts, not what the Dockerfile says.
    assert labels["org.opencontainers.image.version"] == "3.3.2"
    assert labels["airflow-on-fargate.build"] == "7"
    assert labels["org.opencontainers.image.base.name"] == "public.ecr.aws/small-base:1"
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")

    # The same tree: there is nothing to do. Another commit with the same content: no build.
    with pytest.raises(ClientError, match="No updates are to be performed"):
        root.update()
    source.write("labels.json", '{"revision": "another"}')
    updated = root.update()
    assert updated.status == "UPDATE_COMPLETE", stacks.failures(updated)
    assert (len(root.images()), root.number_of_builds()) == (1, 1)
