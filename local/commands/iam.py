"""`make iam-report`: what the run needed of IAM, and what was refused."""

import json
import os
import subprocess
from typing import Any

from commands.workspace import ROOT, CommandError, Workspace, venv_python

# Written by the embedded AWS; see embedded_aws.authorization.record.
RECORD = "iam-decisions.jsonl"


def iam_report(workspace: Workspace) -> None:
    """Print the statements that nothing used since `up`, and what was refused.

    Raises:
        CommandError: nothing was recorded in this workspace.
    """
    record = workspace.state_dir / RECORD
    if not record.exists():
        raise CommandError(f"Nothing is recorded yet: `{workspace.make('up')}` deploys the stack.")
    # ministack evaluates the policies, and it is in the environment of the emulator only.
    subprocess.run(
        [venv_python("emulator"), "-m", "embedded_aws.authorization.report", record],
        env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT / "local")},
        check=True,
    )


def refusals(workspace: Workspace) -> list[str]:
    """What IAM refused since `up`, oldest first, each once."""
    try:
        text = (workspace.state_dir / RECORD).read_text(encoding="utf-8")
    except OSError:
        return []
    refused = (line for line in text.splitlines() if '"allowed": false' in line)
    return list(dict.fromkeys(sentence for line in refused if (sentence := _sentence(line))))


def _sentence(line: str) -> str:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:  # still being written
        return ""
    name = str(found["principal"]).split(":assumed-role/", 1)[-1]
    return f"{name}: {found['action']} on {found['resource']}"
