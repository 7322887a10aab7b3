"""Every metric of the dashboard is emitted: by the stack, or by AWS for its resources."""

import json
from typing import Any

import pytest
from dry_deployment import DryStack, deploy
from stack_alarms import ALARM, STACKS, alarms
from template_files import NESTED_STACK

from contracts.metrics.series import NAMESPACE, SERIES
from embedded_aws.limits.resources import findings
from embedded_aws.limits.tables.monitoring import LIMITS, expanded
from shared.observability import MetricName

DASHBOARD = "AWS::CloudWatch::Dashboard"
CHOICES = {
    "micro": {"Options": "metrics"},
    **{name: choice for name, choice in STACKS.items() if name != "micro"},
}
# What AWS emits, by the dimensions with which it does.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.Redis.html
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
OF_AWS: dict[tuple[str, frozenset[str]], set[str]] = {
    ("AWS/ECS", frozenset({"ClusterName", "ServiceName"})): {
        "CPUUtilization", "MemoryUtilization",
    },
    ("AWS/SQS", frozenset({"QueueName"})): {
        "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible",
    },
    ("AWS/ElastiCache", frozenset({"CacheClusterId"})): {
        "CPUUtilization", "DatabaseMemoryUsagePercentage",
    },
    ("AWS/RDS", frozenset({"DBInstanceIdentifier"})): {
        "CPUUtilization", "CPUCreditBalance", "DatabaseConnections", "FreeStorageSpace",
        "FreeableMemory", "ReadLatency", "WriteLatency",
    },
    ("AWS/ApplicationELB", frozenset({"LoadBalancer"})): {
        "RequestCount", "HTTPCode_ELB_5XX_Count",
    },
    ("AWS/ApplicationELB", frozenset({"LoadBalancer", "TargetGroup"})): {
        "HTTPCode_Target_5XX_Count", "TargetResponseTime", "HealthyHostCount", "UnHealthyHostCount",
    },
    ("AWS/Lambda", frozenset({"FunctionName"})): {"Errors", "Throttles", "Duration", "Invocations"},
    ("AWS/CertificateManager", frozenset({"CertificateArn"})): {"DaysToExpiry"},
}  # fmt: skip


def body(stack: DryStack) -> dict[str, Any]:
    text = stack.child("DashboardStack").properties("Dashboard")["DashboardBody"]
    found: dict[str, Any] = json.loads(text)
    return found


def shown(stack: DryStack) -> list[tuple[str, str, dict[str, str]]]:
    return [
        metric
        for widget in body(stack)["widgets"]
        for metric in expanded(widget["properties"].get("metrics") or [])
    ]


def values_of_resources(stack: DryStack) -> set[str]:
    """What may be the value of a dimension: references to resources of the stack, and names."""
    found = {"airflow"}
    for each in stack.everything():
        for name, resource in each.resources.items():
            if resource["Type"] == NESTED_STACK:
                continue
            reference = f"{each.path}/{name}"
            # A node of ElastiCache has the id of its group with a number.
            found |= {f"<{reference}>", f"<{reference}>-001"}
            found |= {
                f"<{reference}.{attribute}>"
                for attribute in (
                    "Name", "QueueName", "LoadBalancerFullName", "TargetGroupFullName",
                )
            }  # fmt: skip
            properties = each.properties(name)
            found |= {str(properties.get(key)) for key in ("FunctionName", "QueueName")}
    return found


def problem(namespace: str, name: str, dimensions: dict[str, str], values: set[str]) -> str | None:
    """Why nothing would ever send this metric, if nothing does."""
    if namespace == NAMESPACE:
        if dimensions.get("Stack") != "airflow":
            return "of another stack"
        if set(dimensions) == {"Stack"}:
            return None if name in {each.name for each in SERIES} else "not in the list of series"
        if set(dimensions) == {"Stack", "service"}:
            return None if name in set(MetricName) else "emitted by no function"
        return "dimensions that nothing sends"
    if name not in OF_AWS.get((namespace, frozenset(dimensions)), set()):
        return "not emitted by AWS with these dimensions"
    unknown = [value for value in dimensions.values() if value not in values]
    return f"{unknown} are not of this stack" if unknown else None


@pytest.mark.parametrize("choice", CHOICES)
def test_every_metric_of_a_widget_is_emitted(choice: str) -> None:
    stack = deploy(**CHOICES[choice])
    values = values_of_resources(stack)
    problems = {
        (namespace, name, *dimensions.values()): found
        for namespace, name, dimensions in shown(stack)
        if (found := problem(namespace, name, dimensions, values))
    }

    assert problems == {}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_metric_of_an_alarm_is_emitted(choice: str) -> None:
    stack = deploy(**CHOICES[choice])
    values = values_of_resources(stack)
    for alarm in alarms(stack):
        dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        known = {*values, *dimensions.values()} if "CertificateArn" in dimensions else values
        found = problem(alarm["Namespace"], alarm["MetricName"], dimensions, known)
        assert found is None, (alarm["AlarmName"], found)


def test_metric_that_nothing_emits_is_noticed() -> None:
    values = {"airflow"}

    assert problem("AirflowOnFargate", "Heartbeat", {"Stack": "airflow"}, values)
    assert problem("AWS/ECS", "CPUUtilization", {"ClusterName": "airflow"}, values)
    assert problem("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "x"}, values)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_series_of_airflow_is_shown(choice: str) -> None:
    of_airflow = {name for _, name, dimensions in shown(deploy(**CHOICES[choice]))}

    assert {each.name for each in SERIES} <= of_airflow


@pytest.mark.parametrize("choice", CHOICES)
def test_every_alarm_that_is_shown_exists_and_those_of_the_default_are_shown(choice: str) -> None:
    stack = deploy(**CHOICES[choice])
    (widget,) = (each for each in body(stack)["widgets"] if each["type"] == "alarm")
    named = {arn.rpartition(":")[2] for arn in widget["properties"]["alarms"]}
    existing = {alarm["AlarmName"] for alarm in alarms(stack)}
    # Those of more queues, of a certificate, and of an image that the stack builds may be absent.
    optional = {
        name
        for name in existing
        if "queued-" in name or "tasks-wait-" in name or "build-image" in name
        or name.endswith("-certificate")
    }  # fmt: skip

    assert named <= existing
    assert existing - optional <= named


def test_alarms_and_dashboard_of_airflows_metrics_are_absent_without_them() -> None:
    stack = deploy()

    assert "DashboardStack" not in stack.resources
    assert "AirflowAlarmsStack" not in stack.resources
    kinds = {
        resource["Type"] for each in stack.everything() for resource in each.resources.values()
    }
    assert DASHBOARD not in kinds and ALARM in kinds


@pytest.mark.parametrize(
    ("choice", "expected"),
    [({}, "false"), ({"Options": "metrics"}, "true"), ({"EnvironmentClass": "small"}, "true")],
)
def test_components_send_metrics_with_the_word_or_from_class_small_on(
    choice: dict[str, str], expected: str
) -> None:
    stack = deploy(**choice)
    definitions = {
        each.path.rpartition("/")[2]: each.properties(name)
        for each in stack.everything()
        for name, resource in each.resources.items()
        if resource["Type"] == "AWS::ECS::TaskDefinition"
    }
    del definitions["CommandStack"]
    for containers in definitions.values():
        for container in containers["ContainerDefinitions"]:
            environment = {each["Name"]: each["Value"] for each in container["Environment"]}
            assert environment["EMIT_METRICS"] == expected


def test_thresholds_of_the_alarms_are_drawn() -> None:
    stack = deploy(**CHOICES["micro"])
    lines = {
        widget["properties"]["title"]: line["value"]
        for widget in body(stack)["widgets"]
        for line in (widget["properties"].get("annotations") or {}).get("horizontal", [])
    }
    by_metric = {
        (alarm["MetricName"], alarm["Namespace"]): float(alarm["Threshold"])
        for alarm in alarms(stack)
    }

    assert lines["Connections"] == by_metric["DatabaseConnections", "AWS/RDS"]
    assert lines["Free storage, bytes"] == by_metric["FreeStorageSpace", "AWS/RDS"]
    assert lines["Oldest queued task, seconds"] == by_metric["OldestQueuedTask", NAMESPACE]
    assert lines["Busiest worker, percent"] == by_metric["WorkerCpu", NAMESPACE]
    assert lines["Workers"] == 5


def test_widgets_do_not_overlap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for widget in body(deploy(**CHOICES["micro"]))["widgets"]:
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert (x, y) not in taken, (widget["properties"], taken.get((x, y)))
                taken[x, y] = str(widget["properties"])
                assert x < 24


def widget(**properties: Any) -> dict[str, Any]:
    base = {"region": "us-east-1", "metrics": [["AWS/SQS", "NumberOfMessagesSent"]]}
    return {"type": "metric", "properties": base | properties}


TEXT = {"type": "text", "properties": {"markdown": "a"}}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not valid JSON"),
        ("[]", "no list of widgets"),
        ({"widgets": [TEXT] * 501}, "501 widgets"),
        ({"widgets": [{**TEXT, "x": 24, "y": 0}]}, "x is 24"),
        ({"widgets": [{**TEXT, "x": 1}]}, "x and y"),
        ({"widgets": [{**TEXT, "width": 25}]}, "width is 25"),
        ({"widgets": [{**TEXT, "height": 1001}]}, "height is 1001"),
        ({"widgets": [{**TEXT, "colour": "red"}]}, "colour"),
        ({"widgets": [{"type": "graph"}]}, "the type is 'graph'"),
        (
            {"widgets": [{"type": "metric", "properties": {"region": "r"}}]},
            "metrics or annotations",
        ),
        ({"widgets": [{"type": "metric", "properties": {"metrics": []}}]}, "no region"),
        ({"widgets": [{"type": "alarm", "properties": {"alarms": []}}]}, "0 alarms"),
        ({"widgets": [{"type": "alarm", "properties": {"alarms": ["cpu"]}}]}, "not an ARN"),
        ({"widgets": [widget(view="donut")]}, "the view is 'donut'"),
        ({"widgets": [widget(stat="Median")]}, "'Median' is not a statistic"),
        ({"widgets": [widget(period=45)]}, "the period is 45"),
        ({"widgets": [widget(metrics=[["AWS/SQS"]])]}, "is not a namespace"),
        ({"widgets": [widget(metrics=[["AWS/SQS", "A", "QueueName"]])]}, "is not a namespace"),
        ({"widgets": [widget(metrics=[["AWS/SQS", "A", {"colour": "red"}]])]}, "colour"),
        ({"widgets": [widget(metrics=[["A", "B"]] * 501)]}, "501 metrics"),
        ({"widgets": [widget(annotations={"horizontal": [{"value": "x"}]})]}, "no number"),
    ],
)
def test_dashboard_that_cloudwatch_would_refuse_is_found(text: Any, named: str) -> None:
    written = text if isinstance(text, str) else json.dumps(text)
    found = [str(each) for each in findings(LIMITS[DASHBOARD], {"DashboardBody": written})]

    assert any(named in each for each in found), found


def test_shorthands_of_metrics_are_read() -> None:
    found = expanded(
        [
            ["AWS/Lambda", "Errors", "FunctionName", "a", {"stat": "Sum"}],
            [".", "Throttles", ".", "b"],
            ["...", "c"],
            [{"expression": "m1 / 2"}],
        ]
    )

    assert found == [
        ("AWS/Lambda", "Errors", {"FunctionName": "a"}),
        ("AWS/Lambda", "Throttles", {"FunctionName": "b"}),
        ("AWS/Lambda", "Throttles", {"FunctionName": "c"}),
    ]
