"""The handler of preflight, with each of its sample events."""

import pytest

from preflight.handler import handler
from shared.observability import UnknownEventError

PARAMETERS = {"AWSServiceName": "ecs.amazonaws.com"}


def call(sample_event, context, name):
    handler(sample_event(f"preflight/{name}"), context)


@pytest.mark.parametrize("name", ["custom-resource-create", "custom-resource-update"])
def test_answers_success_and_makes_the_role_when_the_parameters_are_possible(
    name, sample_event, context, stubbed, channel
):
    stubbed("iam").add_response("create_service_linked_role", {}, PARAMETERS)
    call(sample_event, context, name)
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["PhysicalResourceId"] == "Preflight"


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
def test_answers_success_when_the_role_exists(
    code, message, sample_event, context, stubbed, channel
):
    stubbed("iam").add_client_error("create_service_linked_role", code, message)
    call(sample_event, context, "custom-resource-create")
    assert channel.answer["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("code", "message"),
    [("InvalidInput", "The service name is wrong."), ("AccessDenied", "It has been taken away.")],
)
def test_answers_failed_when_the_role_cannot_be_made(
    code, message, sample_event, context, stubbed, channel
):
    stubbed("iam").add_client_error("create_service_linked_role", code, message)
    call(sample_event, context, "custom-resource-create")
    assert channel.answer["Status"] == "FAILED"
    assert (
        f"service-linked role of ecs.amazonaws.com: {code}: {message}" in channel.answer["Reason"]
    )


def test_answers_failed_with_all_problems_when_the_parameters_are_impossible(
    sample_event, context, stubbed, channel, log_lines
):
    stubbed("iam")
    call(sample_event, context, "custom-resource-create-refused")
    assert channel.answer["Status"] == "FAILED"
    assert "SchedulerMemoryMib is 8192" in channel.answer["Reason"]
    assert "WorkerMinCount is 5 but WorkerMaxCount is 2" in channel.answer["Reason"]
    assert "ParametersRefused" in log_lines()


def test_answers_success_without_any_check_when_deleted(sample_event, context, stubbed, channel):
    stubbed("iam")
    event = sample_event("preflight/custom-resource-delete")
    event["ResourceProperties"] = {"StackName": "1-impossible"}
    handler(event, context)
    assert channel.answer["Status"] == "SUCCESS"


def test_refuses_an_event_when_it_is_not_of_cloudformation(context):
    with pytest.raises(UnknownEventError):
        handler({"source": "tick"}, context)
