"""Contract: alarms are resources of requests to CloudWatch, and a role is one of a simulation."""

from ..conftest import EmbeddedAws
from ..roles import Caller, create_role, put_policy, refused

ALARM = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:"


def test_listing_alarms_needs_all_of_them(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws)
    with refused("cloudwatch:DescribeAlarms", f"{ALARM}*"):
        caller.client("cloudwatch").describe_alarms()

    caller.may({"Action": "cloudwatch:DescribeAlarms", "Resource": f"{ALARM}*"})
    caller.client("cloudwatch").describe_alarms()


def test_alarms_are_silenced_one_by_one(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(
        embedded_aws, {"Action": "cloudwatch:DisableAlarmActions", "Resource": f"{ALARM}mine-*"}
    )
    cloudwatch = caller.client("cloudwatch")

    cloudwatch.disable_alarm_actions(AlarmNames=["mine-1", "mine-2"])
    with refused("cloudwatch:DisableAlarmActions", f"{ALARM}yours"):
        cloudwatch.disable_alarm_actions(AlarmNames=["mine-1", "yours"])


def test_simulation_is_about_a_role_and_needs_a_permission_for_it(
    embedded_aws: EmbeddedAws,
) -> None:
    mine, other = (create_role(embedded_aws, "ecs-tasks.amazonaws.com") for _ in range(2))
    put_policy(embedded_aws, mine, {"Action": "sqs:SendMessage", "Resource": "*"})
    caller = Caller(embedded_aws, {"Action": "iam:SimulatePrincipalPolicy", "Resource": mine})
    iam = caller.client("iam")
    asked = {
        "ActionNames": ["sqs:SendMessage", "sqs:ReceiveMessage"],
        "ResourceArns": ["arn:aws:sqs:us-east-1:000000000000:queue"],
    }

    answer = iam.simulate_principal_policy(PolicySourceArn=mine, **asked)
    with refused("iam:SimulatePrincipalPolicy", other):
        iam.simulate_principal_policy(PolicySourceArn=other, **asked)

    assert {
        each["EvalActionName"]: each["EvalDecision"] for each in answer["EvaluationResults"]
    } == {
        "sqs:SendMessage": "allowed",
        "sqs:ReceiveMessage": "implicitDeny",
    }
