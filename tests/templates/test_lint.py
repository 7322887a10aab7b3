"""The real linters on the real templates, as anybody would call them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from template_files import ROOT_DIR, TemplateFile, all_templates

REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1"]
TOOLS = Path(sys.executable).parent

pytestmark = pytest.mark.lint


def run(tool: str, *arguments: str, cwd: Path = ROOT_DIR) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
    return subprocess.run(
        [TOOLS / tool, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_cfn_lint_finds_nothing_when_asked_for_every_region() -> None:
    files = [str(template.path) for template in all_templates()]

    result = run("cfn-lint", "--regions", *REGIONS, "--", *files)

    assert (result.returncode, result.stdout) == (0, "")


def test_cfn_lint_reports_a_breach_when_a_template_names_a_partition(tmp_path: Path) -> None:
    # The check that .cfnlintrc.yaml adds is one that cfn-lint leaves out otherwise.
    shutil.copy(ROOT_DIR / ".cfnlintrc.yaml", tmp_path)
    broken = Path(__file__).parent / "fixtures" / "partition_is_not_assumed.yaml"

    result = run("cfn-lint", "--", str(broken), cwd=tmp_path)

    assert "I3042" in result.stdout


@pytest.mark.parametrize("template", all_templates(), ids=lambda template: template.name)
def test_sam_validate_finds_nothing_when_asked_for_a_template(template: TemplateFile) -> None:
    result = run("sam", "validate", "--lint", "--template-file", str(template.path))

    assert result.returncode == 0, result.stdout + result.stderr
