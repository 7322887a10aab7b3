"""Every call that the parts of the stack make on AWS is allowed by the templates' policies.

The calls are those that the embedded AWS recorded in its end-to-end runs (`expected/calls.jsonl`,
written by `make iam-calls`), and a few that AWS's services or rare paths make (`written_calls`).
The embedded AWS's evaluation decides on them. `make test-mutation` removes each statement of the
policies in turn: without any of them a call here is refused.
"""

from typing import Any

import pytest
from calls import CLASSES, Call, deployments, questions, recorded, wrong
from dry_deployment import STACK_NAME, DryStack
from policies import policies_of
from recorded_calls import calls_of, one_for_each_pattern
from template_files import root
from written_calls import CALLS, RARE, VALKEY


@pytest.mark.parametrize("environment_class", CLASSES)
def test_every_call_of_the_recorded_runs_is_allowed(environment_class: str) -> None:
    deployment = deployments()[environment_class]

    assert wrong(questions(recorded(), policies_of(deployment), deployment)) == []


@pytest.mark.parametrize("environment_class", CLASSES)
def test_every_call_of_rare_paths_and_of_services_gets_its_answer(environment_class: str) -> None:
    deployment = deployments()[environment_class]

    assert wrong(questions(CALLS, policies_of(deployment), deployment)) == []


def test_every_call_with_valkey_and_flower_is_allowed() -> None:
    parameters = {"EnvironmentClass": "small", "Options": "exec,redis,flower"}
    deployment = DryStack(STACK_NAME, root(), parameters)
    calls = [call for written in VALKEY for call in written.calls()]

    assert wrong(questions(calls, policies_of(deployment), deployment)) == []


def test_call_is_not_written_by_hand_when_a_recorded_run_makes_it() -> None:
    rare = {call for written in RARE for call in written.calls()}

    assert rare - one_for_each_pattern([*recorded(), *sorted(rare)]) == set()


@pytest.mark.parametrize("sid", ["ReadReleases", "TakeTasks"])
def test_removed_statement_is_named_by_the_call_that_it_allowed(sid: str) -> None:
    deployment = deployments()["micro"]
    policies = policies_of(deployment)
    document = policies["WorkerStack/TaskRole"]["run"]
    document["Statement"] = [each for each in document["Statement"] if each["Sid"] != sid]

    found = wrong(questions(recorded(), policies, deployment))

    assert found
    assert all(each.startswith("WorkerStack/TaskRole (run): ") for each in found)


# --- from a record to calls ---

RUN = "mine"
ROLE = f"role/{RUN}-WorkerStack-1A2B3C4D5E6F-TaskRole-0A1B2C3D4E5F6"
FUNCTION = f"function/{RUN}-run-airflow-command"
BUCKET = f"arn:aws:s3:::{RUN}-storagestack-1a2b3c4d5e6f-logbucket-0a1b2c3d4e5f6"
RULE = f"arn:aws:events:us-east-1:000000000000:rule/{RUN}-CommandsStack-1A2B-CommandSto-0A1B2C"


def policies(subject: str, origin: str, name: str, **statement: Any) -> dict[str, Any]:
    documents = {name: {"Statement": [{"Effect": "Allow", **statement}]}}
    return {
        "type": "policies", "subject": subject, "version": "1", "origin": origin,
        "documents": documents,
    }  # fmt: skip


def decision(subject: str, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "decision", "subject": subject, "version": "1", "allowed": True, "context": {},
        "principal": "", "statements": [f"{name}#0"], **fields,
    }  # fmt: skip


def test_call_of_a_role_has_the_names_of_the_templates_and_nothing_of_chance() -> None:
    lines = [
        policies(
            ROLE, f"{RUN}/WorkerStack/TaskRole", "run",
            Sid="ReadAndWriteTaskLogs", Action=["s3:PutObject"], Resource=f"{BUCKET}/logs/*",
        ),
        decision(
            ROLE, "run", action="s3:PutObject",
            resource=f"{BUCKET}/logs/run_id=manual__2026-11-27T20:14:11.123+00:00/attempt=12.log",
        ),
    ]  # fmt: skip

    assert calls_of(lines) == {
        Call(
            "WorkerStack/TaskRole", "run", "s3:PutObject",
            "arn:aws:s3:::<airflow/StorageStack/LogBucket>/logs/run_id=manual__TIME/attempt=0.log",
        )
    }  # fmt: skip


def test_call_of_a_service_has_its_principal_and_the_condition_of_the_statement() -> None:
    lines = [
        policies(
            FUNCTION, f"{RUN}/CommandsStack", "policy",
            Sid=f"{RUN}-CommandsStack-1A2B3C4D5E6F-CommandStoppedPermission-778ac698",
            Action="lambda:InvokeFunction", Resource=f"arn:aws:lambda:::{FUNCTION}",
            Condition={"ArnLike": {"AWS:SourceArn": RULE}},
        ),
        decision(
            FUNCTION, "policy", action="lambda:InvokeFunction", principal="events.amazonaws.com",
            resource=f"arn:aws:lambda:::{FUNCTION}", context={"aws:sourcearn": RULE},
        ),
    ]  # fmt: skip

    assert calls_of(lines) == {
        Call(
            "CommandsStack/RunAirflowCommandFunction", "policy", "lambda:InvokeFunction",
            "<airflow/CommandsStack/RunAirflowCommandFunction>",
            (("aws:sourcearn", "<airflow/CommandsStack/CommandStoppedRule.Arn>"),),
            "events.amazonaws.com",
        )
    }  # fmt: skip


def test_one_call_is_kept_for_each_pattern_and_the_known_one_stays() -> None:
    bucket = "arn:aws:s3:::<airflow/StorageStack/LogBucket>"
    known, other = (
        Call("WorkerStack/TaskRole", "run", "s3:PutObject", f"{bucket}/logs/{name}.log")
        for name in ("b", "a")
    )
    gone = Call("FormerStack/TaskRole", "run", "s3:PutObject", f"{bucket}/logs/b.log")

    assert one_for_each_pattern([known, gone, other]) == {known}
