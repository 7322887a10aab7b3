"""One embedded AWS with the stacks of two classes, for attacks with AWS credentials."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.embedded_aws.conftest import EmbeddedAws, running_embedded_aws
from tests.integration.embedded_aws.stack_driver import StackDriver

sys.path.insert(0, str(Path(__file__).parents[1] / "templates" / "support"))


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with running_embedded_aws(tmp_path_factory.mktemp("embedded-aws")) as running:
        yield running


@pytest.fixture(scope="session")
def deployed() -> dict[str, Any]:
    """The stack of each class; pytest may come back to a class after another one."""
    return {}


@pytest.fixture(scope="session", params=["micro", "small"])
def stack(aws: EmbeddedAws, deployed: dict[str, Any], request: pytest.FixtureRequest):
    from tests.attacks.reduced_stack import ReducedStack

    name = request.param
    if name not in deployed:
        deployed[name] = ReducedStack(StackDriver(aws), name, EnvironmentClass=name)
    return deployed[name]
