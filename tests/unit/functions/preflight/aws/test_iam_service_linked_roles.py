"""The creation of a service-linked role, and the wait until it can be seen."""

import boto3
import pytest
from botocore.stub import Stubber

from preflight.aws.iam_service_linked_roles import IamServiceLinkedRoles
from shared.errors import AwsCallError

SERVICE = "ecs.amazonaws.com"
ROLE = {
    "Path": "/aws-service-role/ecs.amazonaws.com/",
    "RoleName": "AWSServiceRoleForECS",
    "RoleId": "AROAEXAMPLEEXAMPLE01",
    "Arn": "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
    "CreateDate": "2026-03-01",
}


@pytest.fixture
def iam():
    client = boto3.client("iam", region_name="us-east-1")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def created(stubber):
    parameters = {"AWSServiceName": SERVICE}
    stubber.add_response("create_service_linked_role", {"Role": ROLE}, parameters)


def test_waits_until_a_new_role_can_be_seen(iam):
    client, stubber = iam
    created(stubber)
    for _ in range(2):
        stubber.add_client_error("get_role", "NoSuchEntity", "The role cannot be found.")
    stubber.add_response("get_role", {"Role": ROLE}, {"RoleName": "AWSServiceRoleForECS"})
    waits = []
    IamServiceLinkedRoles(client, waits.append).ensure(SERVICE)
    assert waits == [1, 2]


def test_continues_after_twenty_seconds_when_a_new_role_is_not_seen(iam):
    client, stubber = iam
    created(stubber)
    for _ in range(6):
        stubber.add_client_error("get_role", "NoSuchEntity")
    waits = []
    IamServiceLinkedRoles(client, waits.append).ensure(SERVICE)
    assert sum(waits) == 20


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "InvalidInput",
            "Service role name AWSServiceRoleForECS has been taken in this account, please try a "
            "different suffix.",
        ),
        ("EntityAlreadyExists", "Role with name AWSServiceRoleForEcs already exists."),
    ],
)
def test_does_not_wait_for_a_role_that_exists(iam, code, message):
    client, stubber = iam
    stubber.add_client_error("create_service_linked_role", code, message)
    waits = []
    IamServiceLinkedRoles(client, waits.append).ensure(SERVICE)
    assert waits == []


@pytest.mark.parametrize(
    ("code", "message"),
    [("InvalidInput", "The service name is wrong."), ("AccessDenied", "It has been taken away.")],
)
def test_raises_when_the_role_cannot_be_created(iam, code, message):
    client, stubber = iam
    stubber.add_client_error("create_service_linked_role", code, message)
    with pytest.raises(AwsCallError, match=f"{SERVICE}: {code}: {message}"):
        IamServiceLinkedRoles(client).ensure(SERVICE)
