"""The permissions that the builder needs in ECR: these, for its own repository, and no others."""

from pathlib import Path

import pytest

from build_image.aws.ecr_scans import EcrScans
from shared.errors import AccessDeniedError

from ..conftest import REGION, EmbeddedAws
from ..roles import Caller
from .conftest import Repository
from .planted_scans import PlantedScans, enhanced
from .test_built_image import base as base
from .test_built_image import build
from .test_built_image import source as source

ACTIONS = (
    "ecr:DescribeImages",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
)


def arn(name: str) -> str:
    return f"arn:aws:ecr:{REGION}:{'0' * 12}:repository/{name}"


def test_builder_needs_these_permissions_for_its_repository_only(
    embedded_aws: EmbeddedAws, repository: Repository, source: Path
) -> None:
    caller = Caller(embedded_aws, {"Action": ACTIONS, "Resource": arn(repository.name)})
    own = Repository(caller.client("ecr"), repository.name)

    build(embedded_aws, own, source)
    (source / "src/airflow_on_fargate/__init__.py").write_text("CHANGED = True\n")
    assert list(build(embedded_aws, own, source).made) == ["code"]

    with pytest.raises(AccessDeniedError, match="repository/python"):
        build(embedded_aws, Repository(caller.client("ecr"), "python"), source)


@pytest.mark.parametrize("missing", ACTIONS)
def test_build_without_one_of_them_names_it(
    embedded_aws: EmbeddedAws, repository: Repository, source: Path, missing: str
) -> None:
    build(embedded_aws, repository, source)
    (source / "src/airflow_on_fargate/__init__.py").write_text("CHANGED = True\n")
    others = [action for action in ACTIONS if action != missing]
    caller = Caller(embedded_aws, {"Action": others, "Resource": arn(repository.name)})

    with pytest.raises(AccessDeniedError, match=missing):
        build(embedded_aws, Repository(caller.client("ecr"), repository.name), source)


def test_scans_are_read_with_one_permission_for_its_repository_only(
    embedded_aws: EmbeddedAws, repository: Repository, source: Path
) -> None:
    digest = repository.push("one")
    action = "ecr:DescribeImageScanFindings"
    ecr = Caller(embedded_aws, {"Action": action, "Resource": arn(repository.name)}).client("ecr")

    assert EcrScans(ecr, repository.name).scan_of(digest).status in ("IN_PROGRESS", "COMPLETE")
    with pytest.raises(AccessDeniedError, match=f"{action}.*repository/python"):
        EcrScans(ecr, "python").scan_of(digest)
    # The permissions of the build are not enough.
    others = Caller(embedded_aws, {"Action": ACTIONS, "Resource": arn(repository.name)})
    with pytest.raises(AccessDeniedError, match=action):
        EcrScans(others.client("ecr"), repository.name).scan_of(digest)


def test_scans_by_inspector_are_read_with_its_permissions_by_way_of_ecr(
    embedded_aws: EmbeddedAws, repository: Repository
) -> None:
    digest = repository.push("one")
    planted = PlantedScans(embedded_aws)
    planted.put(repository.name, enhanced=True, seconds=0, enhancedFindings=[
        enhanced("CVE-2026-1", "CRITICAL", "openssl")
    ])  # fmt: skip
    own = {"Action": "ecr:DescribeImageScanFindings", "Resource": arn(repository.name)}
    actions = ["inspector2:ListFindings", "inspector2:ListCoverage"]
    via_ecr = {"Bool": {"aws:ViaAWSService": "true"}}

    def caller(*allowed: str) -> Caller:
        others = {"Action": list(allowed), "Resource": "*", "Condition": via_ecr}
        return Caller(embedded_aws, own, *([others] if allowed else []))

    try:
        scan = EcrScans(caller(*actions).client("ecr"), repository.name).scan_of(digest)
        assert [finding.id for finding in scan.findings] == ["CVE-2026-1"]
        for missing in actions:
            others = [action for action in actions if action != missing]
            with pytest.raises(AccessDeniedError, match=missing):
                EcrScans(caller(*others).client("ecr"), repository.name).scan_of(digest)
    finally:
        planted.clear()
