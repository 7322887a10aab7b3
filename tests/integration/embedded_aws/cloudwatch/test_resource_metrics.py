"""Contract: services send CPU and memory of their tasks; the alarm on their absence works."""

from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from ..conftest import REPOSITORY, eventually
from ..ecs_tasks import Ecs

# Until the service is scaled to zero. A shorter one could end between two samples.
BUSY = "while :; do :; done"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as plain values."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: node.value)


def alarm_of_the_product(cluster: str, service: str) -> dict[str, Any]:
    """As nested/service-alarms.yaml has it, over minutes in the place of five of them."""
    text = (REPOSITORY / "nested" / "service-alarms.yaml").read_text()
    properties = dict(yaml.load(text, _Loader)["Resources"]["StoppedAlarm"]["Properties"])
    for name in ("AlarmDescription", "AlarmActions", "OKActions"):
        del properties[name]
    return {
        **properties,
        "AlarmName": f"{cluster}-stopped",
        "Period": 60,
        "Dimensions": [
            {"Name": "ClusterName", "Value": cluster},
            {"Name": "ServiceName", "Value": service},
        ],
    }


def highest(ecs: Ecs, service: str, metric: str) -> float:
    now = datetime.now(UTC)
    points = ecs.aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ECS",
        MetricName=metric,
        Dimensions=[
            {"Name": "ClusterName", "Value": ecs.name},
            {"Name": "ServiceName", "Value": service},
        ],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=3600,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max((point["Maximum"] for point in points), default=-1.0)


def test_service_sends_usage_while_it_has_a_task_and_the_alarm_sees_when_it_has_none(
    ecs: Ecs,
) -> None:
    cloudwatch = ecs.aws.client("cloudwatch")
    ecs.create_service("busy", ecs.register(BUSY))
    eventually(lambda: ecs.running("busy", 1))
    cloudwatch.put_metric_alarm(**alarm_of_the_product(ecs.name, "busy"))

    def state() -> str:
        found = cloudwatch.describe_alarms(AlarmNames=[f"{ecs.name}-stopped"])
        return str(found["MetricAlarms"][0]["StateValue"])

    # A quarter of a processor is what the task has, so a loop uses all of it.
    eventually(lambda: highest(ecs, "busy", "CPUUtilization") > 50)
    assert 0 < highest(ecs, "busy", "MemoryUtilization") < 50
    eventually(lambda: state() == "OK")
    ecs.api.update_service(cluster=ecs.name, service="busy", desiredCount=0)
    eventually(lambda: state() == "ALARM")
