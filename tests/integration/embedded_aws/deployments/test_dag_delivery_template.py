"""What nested/dag-delivery.yaml asks of the embedded AWS besides a function."""

import pytest

from ..conftest import EmbeddedAws
from ..stack_driver import EXECUTION_ROLE, StackDriver


def test_rate_schedule_of_a_template_is_created(stacks: StackDriver) -> None:
    stack = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "Function": stacks.function("def handler(event, context): pass"),
                "Schedule": {
                    "Type": "AWS::Scheduler::Schedule",
                    "Properties": {
                        "Description": "regular",
                        "ScheduleExpression": "rate(15 minutes)",
                        "FlexibleTimeWindow": {"Mode": "OFF"},
                        "Target": {
                            "Arn": {"Fn::GetAtt": ["Function", "Arn"]},
                            "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                            "Input": '{"source": "reconciliation"}',
                            "RetryPolicy": {"MaximumRetryAttempts": 0},
                        },
                    },
                },
            },
            "Outputs": {"Schedule": {"Value": {"Ref": "Schedule"}}},
        }
    )
    schedule = stacks.aws.client("scheduler").get_schedule(Name=stack.outputs["Schedule"])
    assert schedule["ScheduleExpression"] == "rate(15 minutes)"
    assert schedule["Target"]["Input"] == '{"source": "reconciliation"}'


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        ("dags/a.py", True),
        ("inbox/a.zip", True),
        ("inbox/a.zip.refused.json", False),
        ("releases/current.json", False),
        ("releases/in-use.json", False),
        ("releases/20260102T030405Z-0123456789.gz", False),
        ("releases/20260102T030405Z-0123456789.import-errors.json", True),
    ],
)
def test_rule_matches_only_events_for_the_publisher(
    embedded_aws: EmbeddedAws, key: str, matches: bool
) -> None:
    events = embedded_aws.client("events")
    keys = (
        '{"prefix": "dags/"}, {"wildcard": "inbox/*.zip"},'
        ' {"wildcard": "releases/*.import-errors.json"}'
    )
    pattern = f'{{"detail": {{"object": {{"key": [{keys}]}}}}}}'
    event = (
        '{"id": "1", "account": "1", "source": "aws.s3", "time": "2026-01-01T00:00:00Z",'
        ' "region": "us-east-1", "resources": [], "detail-type": "Object Created",'
        f' "detail": {{"object": {{"key": "{key}"}}}}}}'
    )
    assert events.test_event_pattern(EventPattern=pattern, Event=event)["Result"] is matches
