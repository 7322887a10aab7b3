"""Whole stacks with other choices than the defaults: one file for each profile.

Each file deploys its own stack with `chosen_stack`. The tests of one file share the stack, in the
order of the file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transcript import Transcript

from commands import deployment, emulator, smoke
from commands.workspace import ROOT
from tests.options.conftest import SecuredStack
from tests.upgrade.conftest import workspace_in

DAGS = Path(__file__).parent / "dags"


class ChosenStack(SecuredStack):
    """A deployed stack with choices; the tests call it as its users do."""


@contextmanager
def chosen_stack(folder: Path, parameters: Mapping[str, str]) -> Iterator[ChosenStack]:
    """A healthy stack with these parameters in place of the local profile's, until the end."""
    workspace = workspace_in(folder)
    emulator.start(workspace)
    try:
        deployment.build(workspace)
        transcript: Any = Transcript()
        deployment.deploy(workspace, transcript, dict(parameters), ROOT)
        stack = ChosenStack(workspace)
        url = stack.outputs["AirflowUrl"]
        smoke.wait_healthy(stack.outputs, ca_file=workspace.ca_file_for(url))
        yield stack
    finally:
        emulator.end(workspace)
