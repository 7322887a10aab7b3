"""What CodeBuild builds from a source, with the buildspec of the template and the real builder."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import small_image
import yaml
from podman import needs_podman

from build_image.aws.codebuild_builds import CodeBuildBuilds
from build_image.aws.ecr_repository import EcrRepository
from build_image.aws.s3_source_store import S3SourceStore
from build_image.budget import Budget
from build_image.codebuild.builder import CodeBuildBuilder
from build_image.errors import ImageBuildError
from build_image.registry import OciRegistry
from build_image.source import Source

from ..conftest import REPOSITORY, EmbeddedAws
from ..ecr.conftest import Repository
from .conftest import LOGS, Project, Projects

pytestmark = needs_podman

BUCKET = "codebuild-sources"
BASE = "public.ecr.aws/small-base:1"
DOCKERFILE = f"""\
ARG PYTHON_IMAGE={BASE}
FROM ${{PYTHON_IMAGE}}
COPY images/airflow/src /opt/airflow-on-fargate
COPY images/airflow/user /opt/user
"""
OWN = "ARG AIRFLOW_IMAGE\nFROM ${AIRFLOW_IMAGE}\n"
PUSH = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


@dataclass
class Site:
    """A source that a test changes, and the project that builds it."""

    aws: EmbeddedAws
    project: Project
    repository: Repository
    folder: Path
    work: Path

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self) -> str:
        """The digest of the image, built if it does not exist."""
        client = self.aws.client
        builder = CodeBuildBuilder(
            source=Source(self.folder, "x86_64"),
            repository=EcrRepository(client("ecr"), self.repository.name),
            base_images=OciRegistry(self.aws.endpoint_url),
            builds=CodeBuildBuilds(client("codebuild"), client("logs"), self.project.name),
            store=S3SourceStore(client("s3"), BUCKET),
            repository_uri=f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{self.repository.name}",
            folder=self.work,
            budget=Budget(lambda: 10_000),
            token=str(self.number_of_builds()),
        )
        return builder.build().digest

    def number_of_builds(self) -> int:
        found = self.project.api.list_builds_for_project(projectName=self.project.name)
        return len(found["ids"])

    def config(self, digest: str) -> dict[str, Any]:
        (image,) = self.repository.ecr.batch_get_image(
            repositoryName=self.repository.name, imageIds=[{"imageDigest": digest}]
        )["images"]
        found = json.loads(image["imageManifest"])["config"]["digest"]
        blob = self.aws.state_dir / "ecr/layers/000000000000/us-east-1"
        path = blob / self.repository.name.replace("/", "%") / found.replace(":", "-")
        config: dict[str, Any] = json.loads(path.read_text())["config"]
        return config


@pytest.fixture(scope="module")
def base(embedded_aws: EmbeddedAws) -> str:
    """A small base image, in the place of the public registry."""
    registry = f"127.0.0.1:{embedded_aws.config['endpoint_port']}"
    embedded_aws.client("ecr").create_repository(repositoryName="small-base")
    subprocess.run(
        ["podman", "push", "--quiet", "--tls-verify=false", "--format", "oci",
         small_image.build(), f"{registry}/small-base:1"],
        check=True, capture_output=True,
    )  # fmt: skip
    embedded_aws.client("s3").create_bucket(Bucket=BUCKET)
    return BASE


def buildspec() -> str:
    """The one of the template."""
    text = (REPOSITORY / "nested/codebuild.yaml").read_text()
    # Its tags are those of CloudFormation.
    indented = text.split("BuildSpec: |\n")[1].split("\nOutputs:")[0]
    found = "\n".join(line.removeprefix(" " * 10) for line in indented.splitlines())
    assert list(yaml.safe_load(found)["phases"]) == ["pre_build", "build"]
    return found


def permissions(repository: str, *without: str) -> list[dict[str, Any]]:
    return [
        LOGS,
        {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/image-source/*"},
        {"Action": "ecr:GetAuthorizationToken"},
        {
            "Action": [action for action in PUSH if action not in without],
            "Resource": f"arn:aws:ecr:us-east-1:000000000000:repository/{repository}",
        },
    ]


@pytest.fixture
def site(
    embedded_aws: EmbeddedAws, projects: Projects, repository: Repository, tmp_path: Path, base: str
) -> Iterator[Site]:
    project = projects.create(buildspec(), *permissions(repository.name))
    made = Site(embedded_aws, project, repository, tmp_path / "source", tmp_path / "work")
    made.write("Dockerfile", DOCKERFILE)
    made.write("requirements.lock", "apache-airflow==3.3.2\n")
    made.write("uv.lock", "uv==1\n")
    made.write("labels.json", '{"revision": "abc", "build": "7"}')
    made.write("src/airflow_on_fargate/__init__.py", "")
    yield made


def test_image_has_the_labels_of_the_function_and_the_same_content_builds_nothing(
    site: Site,
) -> None:
    digest = site.build()

    labels = site.config(digest)["Labels"]
    assert labels["org.opencontainers.image.revision"] == "abc"
    assert labels["org.opencontainers.image.version"] == "3.3.2"
    assert labels["org.opencontainers.image.base.name"] == BASE
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    assert labels["airflow-on-fargate.build"] == "7"

    site.write("labels.json", '{"revision": "another"}')
    assert site.build() == digest
    assert site.number_of_builds() == 1


def test_dockerfile_that_cannot_be_built_is_explained_by_the_end_of_its_log(site: Site) -> None:
    site.write("Dockerfile", f"{DOCKERFILE}RUN ls /there-is-no-such-folder\n")

    with pytest.raises(ImageBuildError) as raised:
        site.build()

    sentence, _, log = str(raised.value).partition("The last lines of its log:")
    assert "failed in the phase BUILD" in sentence
    assert "/there-is-no-such-folder" in log
    assert not site.repository.tags()


def test_own_dockerfile_is_built_on_top_of_the_image(site: Site) -> None:
    site.write("user/own.txt", "mine\n")
    site.write("user/Dockerfile", f"{OWN}COPY own.txt /opt/own.txt\nENV OWN=1\n")

    config = site.config(site.build())

    assert "OWN=1" in config["Env"]
    assert config["Labels"]["org.opencontainers.image.revision"] == "abc"
    assert config["User"] == f"{small_image.USER}:{small_image.USER}"


@pytest.mark.parametrize(
    ("dockerfile", "sentence"),
    [
        ("ARG AIRFLOW_IMAGE\nFROM scratch\nCOPY own.txt /own.txt\n", "must start from the image"),
        (f"{OWN}USER root\n", "changes User of the image"),
        (f'{OWN}ENTRYPOINT ["/bin/sh"]\n', "changes Entrypoint of the image"),
    ],
)
def test_own_dockerfile_that_the_tasks_cannot_start_with_is_refused(
    site: Site, dockerfile: str, sentence: str
) -> None:
    site.write("user/own.txt", "mine\n")
    site.write("user/Dockerfile", dockerfile)

    with pytest.raises(ImageBuildError, match=sentence):
        site.build()

    assert not site.repository.tags()


@pytest.mark.parametrize("missing", ["ecr:PutImage", "ecr:BatchGetImage"])
def test_push_without_a_permission_names_it_and_leaves_no_tag(
    site: Site, projects: Projects, missing: str
) -> None:
    site.project = projects.create(buildspec(), *permissions(site.repository.name, missing))

    with pytest.raises(ImageBuildError, match=f"not authorized to perform: {missing}"):
        site.build()

    assert not site.repository.tags()
