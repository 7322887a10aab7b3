"""The alarms of a resolved stack, and stacks that have all of them together."""

from collections.abc import Iterator
from typing import Any

from dry_deployment import DryStack
from single_changes import ALL_WORDS, WORDS_WITH_SQS
from template_files import NESTED_STACK

ALARM = "AWS::CloudWatch::Alarm"
CERTIFICATE = {
    "IngressMode": "load-balancer",
    "IngressCidr": "203.0.113.0/24",
    "DomainName": "airflow.example.com",
    "HostedZoneId": "Z0123456789",
}
STACKS = {
    "micro": {},
    "small with everything": {
        "EnvironmentClass": "small",
        "Options": WORDS_WITH_SQS,
        "WorkerQueueNames": ",".join("abcdefgh"),
        **CERTIFICATE,
    },
    "small with everything and Valkey": {
        "EnvironmentClass": "small",
        "Options": ALL_WORDS,
        "WorkerQueueNames": "a,b",
        **CERTIFICATE,
    },
    "large": {"EnvironmentClass": "large"},
}


def alarms(stack: DryStack) -> Iterator[dict[str, Any]]:
    for name, resource in stack.resources.items():
        if resource["Type"] == ALARM:
            yield stack.properties(name)
        elif resource["Type"] == NESTED_STACK:
            yield from alarms(stack.child(name))
