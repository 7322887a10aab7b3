"""Every call that the parts of the stack make on AWS is allowed by the templates' policies.

The calls are those that the embedded AWS recorded in its end-to-end runs (`expected/calls.jsonl`,
written by `make iam-calls`), and a few that AWS's services or rare paths make (`written_calls`).
The embedded AWS's evaluation decides on them. `make test-mutation` removes each statement of the
policies in turn: without any of them a call here is refused.
"""

import pytest
from calls import CLASSES, deployments, questions, recorded, wrong
from policies import policies_of
from written_calls import CALLS


@pytest.mark.parametrize("environment_class", CLASSES)
def test_every_call_of_the_recorded_runs_is_allowed(environment_class: str) -> None:
    deployment = deployments()[environment_class]

    assert wrong(questions(recorded(), policies_of(deployment), deployment)) == []


@pytest.mark.parametrize("environment_class", CLASSES)
def test_every_call_of_rare_paths_and_of_services_gets_its_answer(environment_class: str) -> None:
    deployment = deployments()[environment_class]

    assert wrong(questions(CALLS, policies_of(deployment), deployment)) == []
