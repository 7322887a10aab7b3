"""The builder against ECR's API: what build_image pushes is an image that can be pulled."""

import io
import json
import shutil
import subprocess
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from image_parts import PYTHON, UV, Wheels, debian_layer

from build_image.aws.ecr_repository import EcrRepository
from build_image.budget import Budget
from build_image.builder import Builder, BuiltImage
from build_image.image import MANIFEST_TYPE
from build_image.registry import OciRegistry
from build_image.source import Source
from build_image.uv import Uv

from ..conftest import EmbeddedAws
from .conftest import Repository, manifest_of
from .test_layers import refused


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source whose base image is in a repository of the embedded ECR."""
    folder, wheels = tmp_path / "source", tmp_path / "wheels"
    wheels.mkdir()
    lock = Wheels(wheels).add("apache_airflow", "3.3.2").replace("apache_", "apache-", 1)
    for name, text in {
        "Dockerfile": "ARG PYTHON_IMAGE=public.ecr.aws/python:slim\n",
        "requirements.lock": lock,
        "src/airflow_on_fargate/__init__.py": "",
        "labels.json": '{"revision": "abc", "created": "2026-01-02T03:04:05Z", "build": "7"}',
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def base(embedded_aws: EmbeddedAws) -> None:
    """The base image, in the place of the public registry."""
    ecr = embedded_aws.client("ecr")
    try:
        ecr.create_repository(repositoryName="python")
    except ecr.exceptions.RepositoryAlreadyExistsException:
        return
    repository = Repository(ecr, "python")
    layer = debian_layer()
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getnames()
    config = {
        "architecture": "amd64",
        "config": {"Env": ["PATH=/usr/local/bin", f"PYTHON_VERSION={PYTHON}.1"]},
        "rootfs": {"diff_ids": [f"sha256:{'0' * 64}"]},
    }
    packed = json.dumps(config).encode()
    manifest = json.loads(manifest_of(repository.layer(packed), repository.layer(layer)))
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    repository.put(json.dumps(manifest), "slim")


def build(aws: EmbeddedAws, repository: Repository, source: Path) -> BuiltImage:
    wheels = ("--no-index", "--find-links", str(source.parent / "wheels"))
    work = source.parent / "work"
    return Builder(
        source=Source(source, "x86_64"),
        repository=EcrRepository(repository.ecr, repository.name),
        base_images=OciRegistry(mirror=aws.endpoint_url),
        packages=Uv(UV, "x86_64", work, options=wheels),
        folder=work,
        budget=Budget(lambda: 900),
    ).build()


def test_built_image_can_be_pulled_with_every_layer(
    embedded_aws: EmbeddedAws, repository: Repository, source: Path
) -> None:
    built = build(embedded_aws, repository, source)

    assert repository.tags() == [built.tag]
    base = f"{embedded_aws.endpoint_url}/v2/{repository.name}"
    with urllib.request.urlopen(f"{base}/manifests/{built.digest}") as answer:
        manifest = json.loads(answer.read())
        assert answer.headers["Content-Type"] == MANIFEST_TYPE
    names: set[str] = set()
    for layer in manifest["layers"]:
        with urllib.request.urlopen(f"{base}/blobs/{layer['digest']}") as answer:
            content = answer.read()
        assert len(content) == layer["size"]
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            names |= set(tar.getnames())
    assert {"usr/bin/su", "opt/airflow", "opt/venv/bin/python"} <= names


def test_same_content_builds_nothing_and_a_change_of_code_uploads_the_code(
    embedded_aws: EmbeddedAws, repository: Repository, source: Path
) -> None:
    first = build(embedded_aws, repository, source)

    again = build(embedded_aws, repository, source)
    (source / "src/airflow_on_fargate/__init__.py").write_text("CHANGED = True\n")
    changed = build(embedded_aws, repository, source)

    assert (again.digest, dict(again.made)) == (first.digest, {})
    assert list(changed.made) == ["code"]
    assert repository.tags() == sorted([first.tag, changed.tag])


def test_failed_build_leaves_no_image(
    embedded_aws: EmbeddedAws, repository: Repository, source: Path
) -> None:
    (source / "user").mkdir()
    (source / "user/requirements.txt").write_text("nosuch\n")

    with pytest.raises(Exception, match="nosuch, which does not exist"):
        build(embedded_aws, repository, source)

    assert repository.tags() == []
    with refused("ImageNotFoundException"):
        repository.ecr.describe_images(
            repositoryName=repository.name, imageIds=[{"imageTag": "content-1"}]
        )


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_skopeo_shows_the_labels_without_a_layer(
    embedded_aws: EmbeddedAws, repository: Repository, source: Path
) -> None:
    built = build(embedded_aws, repository, source)
    host = f"127.0.0.1:{embedded_aws.config['endpoint_port']}"
    manifest = json.loads(
        repository.ecr.batch_get_image(
            repositoryName=repository.name, imageIds=[{"imageDigest": built.digest}]
        )["images"][0]["imageManifest"]
    )
    stored = embedded_aws.state_dir / "ecr" / "layers"
    for layer in manifest["layers"]:
        # No layer can be pulled.
        name = layer["digest"].replace(":", "-")
        (file,) = stored.glob(f"*/*/{repository.name.replace('/', '%')}/{name}")
        file.unlink()

    def inspect(version: str) -> dict[str, Any]:
        image = f"docker://{host}/{repository.name}{version}"
        done = subprocess.run(
            ["skopeo", "inspect", "--tls-verify=false", image], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    shown = inspect(f"@{built.digest}")
    assert shown == {**inspect(f":{built.tag}"), "Name": shown["Name"]}
    assert shown["Architecture"] == "amd64"
    assert shown["Created"] == "2026-01-02T03:04:05Z"
    labels = {
        "org.opencontainers.image.title": "airflow-on-fargate",
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.version": "3.3.2",
        "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
        "org.opencontainers.image.base.name": "public.ecr.aws/python:slim",
        "airflow-on-fargate.build": "7",
        "airflow-on-fargate.python": f"{PYTHON}.1",
    }
    assert shown["Labels"].items() >= labels.items()
