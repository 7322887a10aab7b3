"""Each alarm says what happened and what to do, and its file exists.

It also checks what CloudWatch would refuse in an alarm, and the thresholds that follow from the
size of the database.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from dry_deployment import DryStack, deploy
from stack_alarms import ALARM, CERTIFICATE, STACKS, alarms
from template_files import root

from embedded_aws.limits.resources import findings
from embedded_aws.limits.tables.monitoring import LIMITS
from preflight.checks.database import INSTANCE_SIZES

REPOSITORY = Path(__file__).parents[2]
# MWAA's recommended alarms and those that this stack needs besides, by the end of their name.
EXPECTED = {
    "api-server-cpu", "api-server-memory", "api-server-stopped",
    "build-image-errors", "build-image-throttles",
    "control-plane-cpu", "control-plane-memory", "control-plane-stopped",
    "database-connections", "database-cpu", "database-memory", "database-storage",
    "dead-letters",
    "internal-load-balancer-errors", "internal-server-errors", "internal-unhealthy-targets",
    "launches-failed", "launches-paused",
    "maintenance-failed",
    "preflight-errors", "preflight-throttles",
    "publish-dags-errors", "publish-dags-throttles",
    "queued-default",
    "release-refused",
    "run-airflow-command-errors", "run-airflow-command-throttles",
    "scale-workers-errors", "scale-workers-throttles",
    "tasks-wait-default",
}  # fmt: skip


def told(stack: DryStack) -> list[dict[str, Any]]:
    """The alarms that notify somebody; the others wake a function."""
    return [each for each in alarms(stack) if "NotificationTopic" in str(each["AlarmActions"])]


@pytest.mark.parametrize("choice", STACKS)
def test_alarm_says_what_happened_what_it_means_and_names_a_runbook_that_exists(
    choice: str,
) -> None:
    for alarm in told(deploy(**STACKS[choice])):
        text = alarm["AlarmDescription"]
        happened, *meaning, runbook = re.split(r"(?<=\.) (?=[A-Z])", text)
        found = re.fullmatch(r"Runbook: (docs/runbooks/[a-z-]+\.md)\.", runbook)

        assert found, text
        assert happened and meaning, text
        assert (REPOSITORY / found[1]).is_file(), found[1]
        # The runbook names its alarms, so that it is found from an e-mail and by search.
        kind = alarm["AlarmName"].removeprefix("airflow-")
        assert named_in_runbook(kind, (REPOSITORY / found[1]).read_text()), (kind, found[1])


def named_in_runbook(kind: str, text: str) -> bool:
    names = re.findall(r"`<stack>-([^`]+)`", text)
    return any(re.fullmatch(re.sub(r"<[a-z-]+>", "[a-z-]+", name), kind) for name in names)


def test_default_stack_has_exactly_the_recommended_alarms() -> None:
    found = [alarm["AlarmName"].removeprefix("airflow-") for alarm in alarms(deploy())]

    assert sorted(found) == sorted(EXPECTED)


def test_every_function_has_alarms_for_errors_and_throttles() -> None:
    stack = deploy()
    watched = {
        (alarm["Dimensions"][0]["Value"], alarm["MetricName"])
        for alarm in alarms(stack)
        if alarm["Namespace"] == "AWS/Lambda"
    }
    # Not doctor: a person calls it and sees its failure.
    functions = {"preflight", "build-image", "run-airflow-command", "scale-workers", "publish-dags"}

    assert {metric for _, metric in watched} == {"Errors", "Throttles"}
    assert len(watched) == 2 * len(functions)
    for function in functions:
        words = function.replace("-", "")
        assert sum(words in str(name).lower().replace("-", "") for name, _ in watched) == 2


def test_each_queue_has_an_alarm_for_tasks_that_wait() -> None:
    names = {alarm["AlarmName"] for alarm in alarms(deploy(WorkerQueueNames="a,,c:isolated"))}

    assert {f"airflow-tasks-wait-{queue}" for queue in ("default", "a", "c")} <= names
    assert sum("tasks-wait" in name for name in names) == 3


def test_each_service_of_a_class_has_its_alarms() -> None:
    names = {alarm["AlarmName"] for alarm in alarms(deploy(EnvironmentClass="small"))}

    for service in ("api-server", "scheduler", "dag-processor", "triggerer"):
        for kind in ("cpu", "memory", "stopped"):
            assert f"airflow-{service}-{kind}" in names
    assert "airflow-control-plane-cpu" not in names


def test_certificate_of_the_stack_has_an_alarm() -> None:
    (alarm,) = (
        each for each in alarms(deploy(**CERTIFICATE)) if each["MetricName"] == "DaysToExpiry"
    )

    assert alarm["AlarmName"] == "airflow-internet-facing-certificate"


def test_alarms_of_one_stack_have_different_names() -> None:
    names = [alarm["AlarmName"] for alarm in alarms(deploy(**STACKS["small with everything"]))]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("size", "connections", "free_memory", "free_storage"),
    [
        ("db.t4g.micro/20/single-az", 60, 64 << 20, 2_000_000_000),
        ("db.t4g.medium/50/multi-az", 150, 256 << 20, 5_000_000_000),
        ("db.m7g.large/100/multi-az", 300, 512 << 20, 10_000_000_000),
    ],
)
def test_thresholds_follow_the_size_of_the_database(
    size: str, connections: int, free_memory: int, free_storage: int
) -> None:
    found = {
        alarm["MetricName"]: alarm["Threshold"]
        for alarm in alarms(deploy(Database=size))
        if alarm["Namespace"] == "AWS/RDS"
    }

    assert int(found["DatabaseConnections"]) == connections
    assert int(found["FreeableMemory"]) == free_memory
    assert int(found["FreeStorageSpace"]) == free_storage


def test_preflight_knows_the_sizes_that_have_thresholds() -> None:
    alarms_template = root().children()["DatabaseStack"].children()["DatabaseAlarmsStack"]
    sizes = alarms_template.section("Mappings")["Sizes"]

    assert set(sizes) == set(INSTANCE_SIZES)


METRIC = {
    "Namespace": "AWS/SQS",
    "MetricName": "NumberOfMessagesSent",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0,
    "ComparisonOperator": "GreaterThanThreshold",
}
STATISTIC = {"Metric": {"Namespace": "AWS/SQS", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}
MATH = {
    "EvaluationPeriods": 1,
    "Threshold": 0,
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({**METRIC, "AlarmDescription": "d" * 1025}, "AlarmDescription"),
        ({**METRIC, "Period": 45}, "Period is 45"),
        ({**METRIC, "Period": 3600, "EvaluationPeriods": 169}, "together, allowed are 604800"),
        ({**METRIC, "Period": 300, "EvaluationPeriods": 289}, "together, allowed are 86400"),
        ({**METRIC, "EvaluationPeriods": 2, "DatapointsToAlarm": 3}, "DatapointsToAlarm"),
        ({**METRIC, "Dimensions": [{"Name": f"D{n}", "Value": "v"} for n in range(31)]}, "Dimensi"),
        ({**METRIC, "Dimensions": [{"Name": "D", "Value": "v"}] * 2}, "the name D twice"),
        ({**METRIC, "ExtendedStatistic": "p99"}, "exclude each other"),
        ({**METRIC, "TreatMissingData": "unknown"}, "TreatMissingData"),
        ({**METRIC, "Metrics": [{"Id": "a", "MetricStat": STATISTIC}]}, "MetricName and Metrics"),
        ({**MATH, "Metrics": [{"Id": "A", "MetricStat": STATISTIC}]}, "the id 'A'"),
        ({**MATH, "Metrics": [{"Id": "a"}]}, "an Expression or a MetricStat"),
        (
            {**MATH, "Metrics": [{"Id": name, "MetricStat": STATISTIC} for name in "ab"]},
            "return 2 series",
        ),
    ],
)
def test_alarm_that_cloudwatch_would_refuse_is_found(properties: Any, named: str) -> None:
    (found, *_) = [str(each) for each in findings(LIMITS[ALARM], properties) if not each.unlisted]

    assert named in found


def test_alarms_that_cloudwatch_takes_are_not_refused() -> None:
    math = {
        **MATH,
        "Metrics": [
            {"Id": "a", "MetricStat": STATISTIC, "ReturnData": False},
            {"Id": "b", "Expression": "a / 2"},
        ],
    }

    assert [each for each in findings(LIMITS[ALARM], METRIC) if not each.unlisted] == []
    assert [each for each in findings(LIMITS[ALARM], math) if not each.unlisted] == []
