"""Custom resources: every request is answered once, and the response URL stays secret."""

import json

import pytest
from aws_lambda_powertools import Logger

from shared.cloudformation import custom_resource
from shared.cloudformation.answer_body import MAX_BODY_BYTES, AnswerTooLargeError, response_body
from shared.cloudformation.custom_resource import (
    ANSWER_LATER,
    SUCCESS,
    Answer,
    CustomResourceRequest,
    fulfil,
    is_custom_resource_event,
)
from shared.errors import AccessDeniedError

# As they are, before the tests replace them.
WAITS = custom_resource._DENIED_WAITS_SECONDS
URL = "https://bucket.example/answer?X-Amz-Signature=SECRETSIGNATURE"


@pytest.fixture
def event():
    return {
        "RequestType": "Update",
        "RequestId": "request-1",
        "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/airflow/1",
        "LogicalResourceId": "Thing",
        "PhysicalResourceId": "thing-made-long-ago",
        "ResourceType": "Custom::Thing",
        "ResponseURL": URL,
        "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:f",
        "ResourceProperties": {"Size": "2"},
        "OldResourceProperties": {"Size": "1"},
    }


@pytest.fixture
def request_(event):
    return CustomResourceRequest.from_event(event)


def run(request, channel, work):
    fulfil(request, work, channel, Logger())


def test_answers_success_when_the_work_succeeds(request_, channel):
    run(request_, channel, lambda request: Answer("SUCCESS", data={"Key": "value"}))
    assert channel.answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "thing-made-long-ago",
        "StackId": request_.stack_id,
        "RequestId": "request-1",
        "LogicalResourceId": "Thing",
        "Data": {"Key": "value"},
    }


def test_answers_failed_with_the_reason_when_the_work_raises(request_, channel):
    def work(request):
        raise RuntimeError("The disk is full")

    run(request_, channel, work)
    assert (channel.answer["Status"], channel.answer["Reason"]) == ("FAILED", "The disk is full")


def test_repeats_the_work_while_the_functions_role_is_new(request_, channel):
    calls = []

    def work(request):
        calls.append(request)
        if len(calls) < 3:
            raise AccessDeniedError("Could not read: AccessDenied: not yet")
        return SUCCESS

    run(request_, channel, work)
    assert channel.answer["Status"] == "SUCCESS"


def test_waits_half_a_minute_for_a_new_role(request_, channel, monkeypatch):
    monkeypatch.setattr(custom_resource, "_DENIED_WAITS_SECONDS", WAITS)
    slept: list[float] = []

    def work(request):
        if sum(slept) < 29:
            raise AccessDeniedError("Could not read: AccessDenied: not yet")
        return SUCCESS

    fulfil(request_, work, channel, Logger(), slept.append)

    assert channel.answer["Status"] == "SUCCESS"
    assert 29 <= sum(slept) <= 60


def test_answers_failed_when_the_work_stays_denied(request_, channel):
    def work(request):
        raise AccessDeniedError("Could not read: AccessDenied: no")

    run(request_, channel, work)
    assert channel.answer["Reason"] == "Could not read: AccessDenied: no"


def test_does_not_repeat_a_denied_deletion(event, channel):
    calls = []

    def work(request):
        calls.append(request)
        raise AccessDeniedError("no")

    run(CustomResourceRequest.from_event(event | {"RequestType": "Delete"}), channel, work)
    assert len(calls) == 1


def test_says_where_the_log_is_when_the_work_fails(request_, channel, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_LOG_GROUP_NAME", "preflight-log")
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "2026/03/01/[1]ab")

    def work(request):
        raise RuntimeError("The disk is full")

    run(request_, channel, work)
    reason = "The disk is full (Log group preflight-log, log stream 2026/03/01/[1]ab)"
    assert channel.answer["Reason"] == reason


def test_gives_a_reason_when_the_error_has_none(request_, channel):
    def work(request):
        raise KeyError

    run(request_, channel, work)
    assert channel.answer["Reason"] == "KeyError"


def test_does_not_answer_when_the_work_answers_later(request_, channel):
    run(request_, channel, lambda request: ANSWER_LATER)
    assert channel.bodies == []


def test_raises_when_the_answer_cannot_be_delivered(request_, channel):
    channel.error = ConnectionError("no way")
    with pytest.raises(ConnectionError):
        run(request_, channel, lambda request: SUCCESS)


def test_answers_failed_when_the_data_is_too_large(request_, channel):
    run(request_, channel, lambda request: Answer("SUCCESS", data={"Key": "x" * 5000}))
    assert channel.answer["Status"] == "FAILED"
    assert "4096 bytes" in channel.answer["Reason"]


def test_takes_the_logical_id_when_there_is_no_physical_id_yet(event):
    del event["PhysicalResourceId"]
    event["RequestType"] = "Create"
    assert CustomResourceRequest.from_event(event).physical_resource_id == "Thing"


def test_request_survives_storing(request_):
    stored = json.loads(json.dumps(request_.to_event()))
    assert CustomResourceRequest.from_event(stored) == request_


def test_never_shows_the_response_url_when_printed_or_logged(request_, channel, log_lines):
    def work(request):
        raise RuntimeError(f"Trouble with {request}")

    run(request_, channel, work)
    shown = repr(request_) + log_lines() + channel.answer["Reason"]
    assert "Trouble with CustomResourceRequest" in shown
    assert "SECRETSIGNATURE" not in shown


def test_recognizes_a_request_by_its_type_and_response_url(event):
    assert is_custom_resource_event(event)
    assert not is_custom_resource_event({"source": "tick"})


@pytest.mark.parametrize("character", ["x", "\n", '"', "ø", "\x01", "🐘"])
@pytest.mark.parametrize("length", [3000, 4096, 50_000])
def test_fits_the_body_and_keeps_both_ends_when_the_reason_is_long(character, length):
    reason = "It failed. " + character * length + " The last line."
    body = response_body({"Status": "FAILED"}, reason)
    assert len(body) <= MAX_BODY_BYTES
    shown = json.loads(body)["Reason"]
    assert shown.startswith("It failed. ")
    assert shown.endswith(" The last line.")
    if shown != reason:
        assert " […] " in shown
        # Nothing more would fit.
        assert len(body) > MAX_BODY_BYTES - 16


def test_raises_when_it_does_not_fit_even_without_a_reason():
    with pytest.raises(AnswerTooLargeError):
        response_body({"Data": "x" * MAX_BODY_BYTES}, "")
