"""The machine and deployment of the end-to-end tests, in a separate run.

If LOCAL_STATE_DIR is set, the stack that `make up` has deployed there is used and keeps running.
"""

import os

import pytest

from commands.workspace import Workspace
from tests.e2e.conftest import Deployed, Machine
from tests.e2e.conftest import deployed as newly_deployed
from tests.e2e.conftest import machine as machine

__all__ = ["deployed", "machine", "newly_deployed"]


@pytest.fixture(scope="session")
def deployed(request: pytest.FixtureRequest) -> Deployed:
    if "LOCAL_STATE_DIR" in os.environ:
        return Deployed(Machine(Workspace.from_environment()), "")
    found: Deployed = request.getfixturevalue("newly_deployed")
    return found
