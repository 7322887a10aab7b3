"""Which events call a function: the patterns of the rules, applied to the sample events."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from dry_deployment import deploy
from template_files import ROOT_DIR

EVENTS = ROOT_DIR / "events"


def matches(pattern: Any, value: Any) -> bool:
    """EventBridge's rules for what the templates use: exact values, prefix and wildcard."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and matches(part, value[name]) for name, part in pattern.items()
        )
    return any(_one(each, value) for each in pattern)


def _one(wanted: Any, value: Any) -> bool:
    match wanted:
        case str():
            return bool(wanted == value)
        case {"prefix": str(prefix)}:
            return str(value).startswith(prefix)
        case {"wildcard": str(pattern)}:
            return fnmatchcase(str(value), pattern)
    raise NotImplementedError(f"pattern {wanted}")


def change(
    key: str, kind: str = "Object Created", bucket: str = "<airflow/StorageStack/DagBucket>"
) -> dict[str, Any]:
    """The event of S3 about a key in the DAG bucket of the deployment."""
    return {
        "source": "aws.s3",
        "detail-type": kind,
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }


@pytest.mark.parametrize(
    ("event", "calls"),
    [
        (change("dags/a.py"), True),
        (change("dags/team/a.sql"), True),
        (change("dags/a.py", "Object Deleted"), True),
        (change("inbox/all.zip"), True),
        (change("inbox/ALL.ZIP"), True),
        (change("releases/2026-01-02.import-errors.json"), True),
        # What the function writes itself must not call it again.
        (change("releases/current.json"), False),
        (change("releases/2026-01-02.gz"), False),
        (change("releases/refused.json"), False),
        (change("inbox/all.zip.refused.json"), False),
        (change("dags/a.py", "Object Tags Added"), False),
        (change("dags/a.py", bucket="another-bucket"), False),
    ],
    ids=lambda value: (
        f"{value['detail-type']} {value['detail']['object']['key']}"
        if isinstance(value, dict)
        else ""
    ),
)
def test_change_in_the_bucket_calls_the_publisher_when_it_concerns_dags(
    event: dict[str, Any], calls: bool
) -> None:
    stack = deploy()
    rule = stack.child("DeliveryStack").properties("DagsChangedRule")

    assert matches(rule["EventPattern"], event) == calls
    (target,) = rule["Targets"]
    assert target["Arn"].startswith("<airflow/DeliveryStack/")


def test_bucket_sends_its_events() -> None:
    """EventBridge gets none otherwise."""
    bucket = deploy().child("StorageStack").properties("DagBucket")

    assert bucket["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }


@pytest.mark.parametrize(
    ("stack", "rule", "family", "samples"),
    [
        (
            "CommandsStack",
            "CommandStoppedRule",
            "airflow-command",
            [f"run_airflow_command/task-stopped{each}" for each in ("", "-failed", "-not-started")],
        ),
        (
            "FleetStack",
            "WorkerStoppedRule",
            "airflow-worker",
            ["scale_workers/worker-died", "scale_workers/worker-left"],
        ),
    ],
)
def test_end_of_a_task_calls_its_function(
    stack: str, rule: str, family: str, samples: list[str]
) -> None:
    pattern = deploy().child(stack).properties(rule)["EventPattern"]
    for sample in samples:
        event = json.loads((EVENTS / f"{sample}.json").read_text())
        revision = event["detail"]["taskDefinitionArn"].rpartition(":")[2]
        arn = "arn:<partition>:ecs:<region>:<account>"
        event["detail"]["clusterArn"] = f"{arn}:cluster/airflow"
        event["detail"]["taskDefinitionArn"] = f"{arn}:task-definition/{family}:{revision}"

        assert matches(pattern, event)
        for other in ("airflow-api-server", f"{family}-2"):
            event["detail"]["taskDefinitionArn"] = f"{arn}:task-definition/{other}:{revision}"
            assert not matches(pattern, event)
