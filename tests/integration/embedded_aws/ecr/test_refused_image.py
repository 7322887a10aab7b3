"""nested/image.yaml with its own roles, under a parent that can fail: which images it refuses.

Only the code of the function and the source are replaced, as SAM does. The parent has what runs
the image, and something that fails after it where a test asks for that.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ..conftest import REPOSITORY, EmbeddedAws
from ..stack_driver import EXECUTION_ROLE, Stack, StackDriver
from .conftest import Repository
from .planted_scans import PlantedScans, basic
from .small_source import SmallSource

sys.path.insert(0, str(REPOSITORY / "tests" / "templates" / "support"))
from template_files import template_file

TEMPLATE = REPOSITORY / "nested" / "image.yaml"
ACCEPTED = "user/accepted-findings.toml"
# It fails where its property says so.
AFTER = """
import json, urllib.request

def handler(event, context):
    failed = event["RequestType"] != "Delete" and event["ResourceProperties"]["Fails"] == "true"
    answer = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {"Status": "FAILED" if failed else "SUCCESS", "Reason": "Asked for."}
    answer["PhysicalResourceId"] = "after"
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], body, method="PUT")
    urllib.request.urlopen(request, timeout=20)
"""


class ImageUser:
    """The parent, deployed again and again with the source as it is."""

    def __init__(self, stacks: StackDriver, source: SmallSource, scans: PlantedScans) -> None:
        self._stacks = stacks
        self._source = source
        self.scans = scans
        self.stack: Stack | None = None

    def deploy(self, refused: str = "none", *, fails: bool = False) -> Stack:
        template = self._parent(refused, fails)
        if self.stack is None:
            self.stack = self._stacks.create(template)
        else:
            self.stack = self._stacks.update(self.stack, template)
        return self.stack

    def accept(self, id_: str, *, days: int) -> None:
        last = datetime.now(UTC).date() + timedelta(days=days)
        entry = f'[[finding]]\nid = "{id_}"\nreason = "Tested."\nexpires = {last}\n'
        self._source.write(ACCEPTED, entry)

    @property
    def used(self) -> str:
        """The image that runs."""
        assert self.stack is not None
        return self._stacks.describe(self.stack.id).outputs["Uri"]

    @property
    def repository(self) -> Repository:
        name = self._stacks.physical_id(self._image_stack(), "Repository")
        return Repository(self._stacks.aws.client("ecr"), name)

    def reason(self) -> str:
        """Why the image was refused last."""
        return self._stacks.failures(self._image_stack())["Image"]

    def log(self) -> str:
        group = self._stacks.physical_id(self._image_stack(), "BuildImageLogGroup")
        return "\n".join(self._stacks.log_lines(group))

    def _image_stack(self) -> Stack:
        assert self.stack is not None
        return self._stacks.describe(self._stacks.physical_id(self.stack, "ImageStack"))

    def _parent(self, refused: str, fails: bool) -> dict[str, Any]:
        return {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "AfterFunction": self._stacks.function(AFTER),
                "ImageStack": {
                    "Type": "AWS::CloudFormation::Stack",
                    "Properties": {
                        "TemplateURL": self._stacks.upload(self._image_template()),
                        "Parameters": {
                            "RootStackName": {"Ref": "AWS::StackName"},
                            "CpuArchitecture": "X86_64",
                            "NotificationTopicArn": "arn:aws:sns:us-east-1:000000000000:topic",
                            "KmsKeyArn": "",
                            "StateBucketName": "state",
                            "Options": "",
                            "LogDays": "30",
                            "RefusedFindings": refused,
                        },
                    },
                },
                "After": {
                    "Type": "Custom::After",
                    "Properties": {
                        "ServiceToken": {"Fn::GetAtt": ["AfterFunction", "Arn"]},
                        "Image": {"Fn::GetAtt": ["ImageStack", "Outputs.ImageUri"]},
                        "Fails": str(fails).lower(),
                    },
                },
            },
            "Outputs": {
                "Uri": {"Value": {"Fn::GetAtt": ["ImageStack", "Outputs.ImageUri"]}},
                "Findings": {"Value": {"Fn::GetAtt": ["ImageStack", "Outputs.ImageFindings"]}},
            },
        }

    def _image_template(self) -> dict[str, Any]:
        template = template_file(TEMPLATE)
        resources = {
            name: {
                **{key: each[key] for key in each if key in ("Type", "Condition", "DependsOn")},
                "Properties": dict(each["Properties"]),
            }
            for name, each in template.resources.items()
        }
        function = resources["BuildImageFunction"]["Properties"]
        variables = {**function["Environment"]["Variables"], **self._source.variables}
        function |= {"Code": self._source.code, "Environment": {"Variables": variables}}
        resources["ImageSource"]["Properties"]["Content"] = self._source.content()
        return {
            **{name: template.section(name) for name in ("Parameters", "Conditions", "Outputs")},
            "Resources": resources,
        }


@pytest.fixture
def source(stacks: StackDriver, tmp_path: Path, base: str) -> SmallSource:
    return SmallSource(stacks, tmp_path, base)


@pytest.fixture
def user(
    stacks: StackDriver, embedded_aws: EmbeddedAws, source: SmallSource
) -> Iterator[ImageUser]:
    scans = PlantedScans(embedded_aws)
    yield ImageUser(stacks, source, scans)
    scans.clear()


def test_image_is_refused_until_its_findings_are_accepted(
    user: ImageUser, source: SmallSource, stacks: StackDriver
) -> None:
    # Without a word the first deployment succeeds, whatever the scan finds.
    openssl = basic("CVE-2026-1", "CRITICAL", "openssl", "3.0.15-1")
    user.scans.put("*", findings=[openssl, basic("CVE-2026-2", "LOW", "zlib1g")])
    created = user.deploy()
    assert created.status == "CREATE_COMPLETE", stacks.failures(created)
    assert created.outputs["Findings"] == "CRITICAL 1, LOW 1"
    assert "CVE-2026-1 (CRITICAL): openssl 3.0.15-1" in user.log()
    first = user.used
    repository = user.repository

    # With it the next image is refused with the list. It keeps its tag, and nothing uses it.
    source.write("src/airflow_on_fargate/__init__.py", "CHANGED = True\n")
    assert user.deploy("CRITICAL").status == "UPDATE_ROLLBACK_COMPLETE"
    assert "CVE-2026-1 (CRITICAL): openssl 3.0.15-1." in user.reason()
    assert "CVE-2026-2" not in user.reason()
    assert user.used == first
    assert len(repository.tags()) == 2

    # The same content again: judged again, not built again.
    built = user.log().count("ImagesBuilt")
    assert user.deploy("CRITICAL").status == "UPDATE_ROLLBACK_COMPLETE"
    assert len(repository.tags()) == 2
    assert user.used == first

    # An entry that has expired does not help, and the reason says so.
    user.accept("CVE-2026-1", days=-1)
    assert user.deploy("CRITICAL").status == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Expired in images/airflow/{ACCEPTED}: CVE-2026-1 on " in user.reason()

    # A list with a mistake: file, entry and line.
    user.accept("CVE-2026-1", days=400)
    assert user.deploy("CRITICAL").status == "UPDATE_ROLLBACK_COMPLETE"
    assert f"images/airflow/{ACCEPTED}, entry 1, line 1: expires is " in user.reason()
    assert user.used == first

    # A valid one: the same digest is used, without a build.
    user.accept("CVE-2026-1", days=30)
    updated = user.deploy("CRITICAL")
    assert updated.status == "UPDATE_COMPLETE", stacks.failures(updated)
    assert user.used != first
    assert len(repository.tags()) == 2
    assert user.log().count("ImagesBuilt") == built

    # A finding that became known later does not stop a deletion.
    user.scans.put("*", findings=[basic("CVE-2026-3", "CRITICAL", "perl")])
    assert stacks.delete(updated).status == "DELETE_COMPLETE"


def test_rollback_goes_back_to_an_image_with_new_findings(
    user: ImageUser, source: SmallSource, stacks: StackDriver
) -> None:
    created = user.deploy("CRITICAL")
    assert created.status == "CREATE_COMPLETE", stacks.failures(created)
    assert created.outputs["Findings"] == "none"
    first = user.used

    # A new finding is accepted together with a change that fails after the image.
    user.scans.put("*", findings=[basic("CVE-2026-4", "CRITICAL", "perl")])
    user.accept("CVE-2026-4", days=30)
    source.write("src/airflow_on_fargate/__init__.py", "CHANGED = True\n")
    updated = user.deploy("CRITICAL", fails=True)

    # The former source accepts nothing, and the rollback succeeds nevertheless.
    assert updated.status == "UPDATE_ROLLBACK_COMPLETE", stacks.failures(updated)
    assert user.used == first
    assert len(user.repository.tags()) == 2
    # Forward, the same source is refused: the test above would not see a gate that is open.
    source.remove(ACCEPTED)
    assert user.deploy("CRITICAL").status == "UPDATE_ROLLBACK_COMPLETE"
    assert "CVE-2026-4 (CRITICAL)" in user.reason()


def test_scan_without_a_result_refuses_only_with_the_word(
    user: ImageUser, source: SmallSource, stacks: StackDriver
) -> None:
    user.scans.put("*", status="UNSUPPORTED_IMAGE", description="Unknown distribution.")
    created = user.deploy()
    assert created.status == "CREATE_COMPLETE", stacks.failures(created)
    assert created.outputs["Findings"] == "unknown"
    assert "The image is used without a scan" in user.log()

    updated = user.deploy("HIGH")

    assert updated.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "(UNSUPPORTED_IMAGE: Unknown distribution)" in user.reason()
