"""The mode of DAG releases, changed as a user does: by an update of the stack."""

import json

from tests.e2e.conftest import Deployed
from tests.e2e.test_3_update import ChangeSet, stack_parameters

FORGIVING, STRICT = "forgiving", "strict"


def set_mode(deployed: Deployed, mode: str) -> None:
    """Update the stack, unless it has this mode."""
    text = stack_parameters(deployed)["DagReleases"]
    changed = json.dumps({**json.loads(text), "mode": mode})
    if json.loads(text).get("mode", FORGIVING) != mode:
        ChangeSet(deployed, f"mode-{mode}", {"DagReleases": changed}).execute()
