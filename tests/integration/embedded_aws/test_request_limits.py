"""Contract: a call with a value that the API's model forbids is refused, with the service's code.

boto3 sends all of these: it checks types and required parameters only.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import EmbeddedAws

TRUST = '{"Version": "2012-10-17", "Statement": []}'
CLUSTER = "arn:aws:ecs:us-east-1:000000000000:cluster/c"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code", "path"),
    [
        ("secretsmanager", "create_secret", {"Name": "n" * 513}, "ValidationException", "Name"),
        ("logs", "create_log_group", {"logGroupName": "a b"}, "InvalidParameterException",
         "logGroupName"),
        ("events", "put_rule", {"Name": "a b", "EventPattern": "{}"}, "ValidationException",
         "Name"),
        ("events", "put_rule", {"Name": "r", "State": "ON"}, "ValidationException", "State"),
        ("ecs", "tag_resource", {"resourceArn": CLUSTER, "tags": [{"key": "k" * 129}]},
         "InvalidParameterException", "tags.1.key"),
        ("iam", "create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": TRUST},
         "ValidationError", "RoleName"),
        ("iam", "create_role",
         {"RoleName": "r", "AssumeRolePolicyDocument": TRUST,
          "Tags": [{"Key": "ok", "Value": "v"}, {"Key": "bad|", "Value": "v"}]},
         "ValidationError", "Tags.2.Key"),
        ("elbv2", "create_target_group", {"Name": "t", "Port": 70000}, "ValidationError", "Port"),
        ("cloudformation", "create_change_set",
         {"StackName": "s", "ChangeSetName": "1st", "TemplateBody": "{}"}, "ValidationError",
         "ChangeSetName"),
    ],
)  # fmt: skip
def test_value_that_the_model_forbids_is_refused(
    embedded_aws: EmbeddedAws,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    code: str,
    path: str,
) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(embedded_aws.client(service), operation)(**parameters)

    error = refusal.value.response["Error"]
    assert error["Code"] == code
    assert f"1 validation error detected: {path} is " in error["Message"]


def test_letters_of_any_language_are_allowed_where_the_model_has_letters(
    embedded_aws: EmbeddedAws,
) -> None:
    iam = embedded_aws.client("iam")
    tags = [{"Key": "größe", "Value": "L: 1/2 + é"}]

    iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=TRUST, Tags=tags)

    assert iam.list_role_tags(RoleName="tagged")["Tags"] == tags
