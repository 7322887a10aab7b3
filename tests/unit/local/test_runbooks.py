"""The commands of the runbooks exist, and each fault of a game day has those that repair it."""

import re
import subprocess
from collections.abc import Iterator

import boto3
import pytest
from botocore import xform_name

from commands.workspace import ROOT
from tests.gameday import runbooks
from tests.gameday.faults import FAULTS

BLOCKS = list(runbooks.blocks())
# Commands of the AWS CLI that are not operations of an API.
CUSTOM = {("s3", "ls"), ("s3", "cp"), ("s3", "rm"), ("logs", "tail")}


def calls(text: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"\baws ([a-z0-9]+) ([a-z0-9-]+)", text):
        yield found[1], found[2]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.file)
def test_block_is_a_script_of_calls_that_exist(block: runbooks.Block) -> None:
    checked = subprocess.run(
        ["bash", "-n", "-c", block.text], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr
    for service, operation in calls(block.text):
        if (service, operation) in CUSTOM:
            continue
        model = boto3.client(service, region_name="us-east-1").meta.service_model
        names = {xform_name(name, "-") for name in model.operation_names}
        assert operation in names, f"aws {service} {operation}"


def test_each_fault_has_one_block_of_a_runbook_and_each_marked_block_a_fault() -> None:
    marked = [fault for block in BLOCKS for fault in block.faults]

    assert sorted(marked) == sorted(fault.name for fault in FAULTS)
    assert len(FAULTS) >= 20


def test_runbook_of_a_fault_is_that_of_its_alarm() -> None:
    for fault in FAULTS:
        text = (runbooks.RUNBOOKS / runbooks.repairs()[fault.name].file).read_text()
        names = re.findall(r"`<stack>-([^`]+)`", text)
        patterns = [re.sub(r"<[a-z-]+>", "[a-z-]+", name) for name in names]
        assert any(re.fullmatch(pattern, fault.alarm) for pattern in patterns), fault


def test_every_runbook_is_in_the_index() -> None:
    index = (runbooks.RUNBOOKS / "README.md").read_text()

    for path in runbooks.RUNBOOKS.glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in index, path.name


def test_links_between_runbooks_and_pages_lead_somewhere() -> None:
    for path in runbooks.RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).resolve().exists(), (path.name, target)
    assert (ROOT / "docs" / "operating.md").exists()
