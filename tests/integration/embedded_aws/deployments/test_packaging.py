"""The project's templates, built and packaged for AWS without local parameters."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ..conftest import REPOSITORY, EmbeddedAws

SAM = Path(sys.executable).parent / "sam"
BUCKET = "packaged-templates"
# Each profile, and each region; what is packaged depends on neither.
PACKAGED = (
    ("default", "us-east-1"),
    ("dev", "eu-central-1"),
    ("prod", "ap-southeast-2"),
    ("prod", "us-gov-west-1"),
)


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as plain values."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)


@pytest.fixture(scope="module")
def build_dir(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sam build` of the project with the default profile."""
    target = tmp_path_factory.mktemp("build")
    _sam(embedded_aws, "build", "--build-dir", str(target / "built"))
    embedded_aws.client("s3").create_bucket(Bucket=BUCKET)
    return target / "built"


@pytest.mark.parametrize(("profile", "region"), PACKAGED)
def test_templates_are_packaged_for_aws_without_local_parameters(
    profile: str, region: str, embedded_aws: EmbeddedAws, build_dir: Path, tmp_path: Path
) -> None:
    packaged = tmp_path / "packaged.yaml"
    _sam(
        embedded_aws, "package", "--config-env", profile, "--s3-bucket", BUCKET,
        "--region", region,
        "--template-file", str(build_dir / "template.yaml"),
        "--output-template-file", str(packaged),
    )  # fmt: skip

    # What CloudFormation takes from S3, where SAM and the console put a template. The 51,200 bytes
    # of a request are too few for this one.
    assert packaged.stat().st_size < 1_000_000
    resources = yaml.load(packaged.read_text(), _Loader)["Resources"]
    urls = {
        name: resource["Properties"]["TemplateURL"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudFormation::Stack"
    }
    assert set(urls) >= {
        "NetworkStack",
        "ControlPlaneStack",
        "ServicesStack",
        "FleetStack",
        "DeliveryStack",
    }
    uploaded = f"{embedded_aws.endpoint_url}/{BUCKET}/"
    assert [url for url in urls.values() if not url.startswith(uploaded)] == []


def test_root_template_has_no_local_names() -> None:
    words = ("localhost", "127.0.0.1", "local/airflow", "4566")
    templates = [REPOSITORY / "template.yaml", *(REPOSITORY / "nested").glob("*.yaml")]
    found = [f"{t.name}: {w}" for t in templates for w in words if w in t.read_text()]
    assert found == []


def _sam(embedded_aws: EmbeddedAws, *arguments: str) -> None:
    pip = shutil.which("python3") or sys.executable
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        "AWS_ENDPOINT_URL": embedded_aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAM_CLI_TELEMETRY": "0",
        "PYTHON": pip,
    }
    config = ["--config-file", str(REPOSITORY / "samconfig.toml")]
    done = subprocess.run(
        [str(SAM), *arguments, *config], cwd=REPOSITORY, env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
