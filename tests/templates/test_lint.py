"""The real linters on the real templates, as anybody would call them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from template_files import ROOT_DIR, TemplateFile, all_templates

REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1"]
LINTERS = Path(__file__).parent / "support" / "linters.py"
NAMES_A_PARTITION = Path(__file__).parent / "fixtures" / "partition_is_not_assumed.yaml"

pytestmark = pytest.mark.lint


Results = dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Exit code and output of every call of this module, made in one process."""
    misspelt = tmp_path_factory.mktemp("lint") / "misspelt.yaml"
    misspelt.write_text("Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {TopcName: a}}}")
    files = [str(template.path) for template in all_templates()]
    calls = {
        "cfn-lint": ["cfn-lint", "--regions", *REGIONS, "--", *files],
        "names a partition": ["cfn-lint", "--", str(NAMES_A_PARTITION)],
        "misspelt": ["sam", "validate", "--lint", "--template-file", str(misspelt)],
        **{path: ["sam", "validate", "--lint", "--template-file", path] for path in files},
    }
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, LINTERS, json.dumps(list(calls.values()))],
        cwd=ROOT_DIR, env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return {
        name: (code, text)
        for name, (code, text) in zip(calls, json.loads(done.stdout), strict=True)
    }


def test_cfn_lint_finds_nothing_when_asked_for_every_region(results: Results) -> None:
    assert results["cfn-lint"] == (0, "")


def test_cfn_lint_reports_a_breach_when_a_template_names_a_partition(results: Results) -> None:
    # The check that .cfnlintrc.yaml adds is one that cfn-lint leaves out otherwise.
    assert "I3042" in results["names a partition"][1]


@pytest.mark.parametrize("template", all_templates(), ids=lambda template: template.name)
def test_sam_validate_finds_nothing_when_asked_for_a_template(
    template: TemplateFile, results: Results
) -> None:
    code, output = results[str(template.path)]

    assert code == 0, output
    assert "is a valid SAM Template" in output


def test_sam_validate_reports_a_property_that_does_not_exist(results: Results) -> None:
    code, output = results["misspelt"]

    assert code == 1
    assert "TopcName" in output
