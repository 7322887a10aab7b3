"""The handler of preflight, with each of its sample events."""

import pytest

from preflight.handler import handler
from shared.observability import UnknownEventError

SERVICE = {"AWSServiceName": "ecs.amazonaws.com"}
LIST = "com.amazonaws.global.cloudfront.origin-facing"


@pytest.fixture
def call(sample_event, context, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return lambda name: handler(sample_event(f"preflight/{name}"), context)


@pytest.fixture
def ec2(stubbed):
    stubber = stubbed("ec2")

    def finds(times=1):
        for _ in range(times):
            stubber.add_response(
                "describe_managed_prefix_lists",
                {"PrefixLists": [{"PrefixListId": "pl-1", "PrefixListName": LIST}]},
                {"Filters": [{"Name": "prefix-list-name", "Values": [LIST]}]},
            )

    return finds


@pytest.mark.parametrize("name", ["custom-resource-create", "custom-resource-update"])
def test_answers_success_when_the_parameters_are_accepted(name, call, stubbed, ec2, channel):
    ec2()
    stubbed("iam").add_client_error("create_service_linked_role", "EntityAlreadyExists")
    call(name)
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["PhysicalResourceId"] == "Preflight"
    assert channel.answer["Data"] == {}


def test_answers_with_the_prefix_list_when_it_is_asked_for(call, ec2, channel):
    ec2()
    call("prefix-list-create")
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["Data"] == {"PrefixListId": "pl-1"}


def test_answers_failed_when_the_role_cannot_be_created(call, stubbed, ec2, channel):
    ec2()
    stubbed("iam").add_client_error("create_service_linked_role", "InvalidInput", "It is wrong.")
    call("custom-resource-create")
    assert channel.answer["Status"] == "FAILED"
    assert "service-linked role of ecs.amazonaws.com: InvalidInput" in channel.answer["Reason"]


def test_answers_failed_when_the_role_stays_denied(call, stubbed, ec2, channel):
    ec2(times=3)
    for _ in range(3):
        stubbed("iam").add_client_error("create_service_linked_role", "AccessDenied", "No.")
    call("custom-resource-create")
    assert "AccessDenied: No." in channel.answer["Reason"]


def test_answers_success_when_permissions_come_late(call, stubbed, ec2, channel):
    stubbed("ec2").add_client_error("describe_managed_prefix_lists", "UnauthorizedOperation")
    ec2()
    stubbed("iam").add_client_error("create_service_linked_role", "EntityAlreadyExists")
    call("custom-resource-create")
    assert channel.answer["Status"] == "SUCCESS"


def test_answers_failed_with_all_problems_when_the_parameters_are_refused(
    call, channel, stubbed, log_lines
):
    stubbed("iam")
    call("custom-resource-create-refused")
    assert channel.answer["Status"] == "FAILED"
    assert "Database is 'small'" in channel.answer["Reason"]
    assert "WorkerFleets.default would have at least 11" in channel.answer["Reason"]
    assert "ParametersRefused" in log_lines()


def test_answers_failed_in_time_when_a_call_hangs(call, stubbed, channel, context, monkeypatch):
    stubbed("iam")
    context.remaining_milliseconds = 22_000
    call("custom-resource-create")
    assert channel.answer["Status"] == "FAILED"
    assert "did not end within 0 s" in channel.answer["Reason"]


@pytest.mark.parametrize("properties", [{}, {"StackName": "airflow"}])
def test_answers_failed_when_the_template_passes_too_little(
    properties, sample_event, context, stubbed, channel
):
    event = sample_event("preflight/custom-resource-create")
    event["ResourceProperties"] = properties
    handler(event, context)
    assert "The template does not pass" in channel.answer["Reason"]


@pytest.mark.parametrize(
    ("status", "answer"),
    [("UPDATE_ROLLBACK_IN_PROGRESS", "SUCCESS"), ("UPDATE_IN_PROGRESS", "FAILED")],
)
def test_asks_cloudformation_whether_the_stack_is_rolling_back(
    status, answer, sample_event, context, stubbed, ec2, channel, log_lines
):
    event = sample_event("preflight/custom-resource-update")
    event["ResourceProperties"]["Vpc"] = "10.1.0.0/16"
    stack = {"StackName": "airflow", "CreationTime": "2026-03-01", "StackStatus": status}
    stubbed("cloudformation").add_response(
        "describe_stacks", {"Stacks": [stack]}, {"StackName": event["StackId"]}
    )
    if answer == "SUCCESS":
        ec2()
        stubbed("iam").add_client_error("create_service_linked_role", "EntityAlreadyExists")
    handler(event, context)
    assert channel.answer["Status"] == answer
    assert ("Accepted, because the stack is rolling back" in log_lines()) == (answer == "SUCCESS")


def test_refuses_an_update_when_cloudformation_does_not_say_that_it_rolls_back(
    sample_event, context, stubbed, channel
):
    event = sample_event("preflight/custom-resource-update")
    event["ResourceProperties"]["Vpc"] = "10.1.0.0/16"
    stubbed("cloudformation").add_client_error("describe_stacks", "ValidationError")
    handler(event, context)
    assert "Vpc changes from 10.0.0.0/16 to 10.1.0.0/16" in channel.answer["Reason"]


def test_answers_success_without_any_check_when_deleted(sample_event, context, stubbed, channel):
    stubbed("iam")
    event = sample_event("preflight/custom-resource-delete")
    event["ResourceProperties"] = {"StackName": "1-impossible"}
    handler(event, context)
    assert channel.answer["Status"] == "SUCCESS"


def test_refuses_an_event_that_is_not_of_cloudformation(context):
    with pytest.raises(UnknownEventError):
        handler({"source": "tick"}, context)
