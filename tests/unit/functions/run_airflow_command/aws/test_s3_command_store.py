"""Commands in the state bucket: keys, contents, errors."""

import io
import json

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from run_airflow_command.aws.s3_command_store import S3CommandStore
from run_airflow_command.commands.record import CommandRecord, InvalidRecordError
from run_airflow_command.ports import Outcome
from shared.errors import AwsCallError

RECORD = CommandRecord("request-1", ("db", "migrate"))


@pytest.fixture
def stubber():
    with Stubber(boto3.client("s3", region_name="us-east-1")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def store(stubber):
    return S3CommandStore(stubber.client, "state")


def body(data):
    return {"Body": StreamingBody(io.BytesIO(data), len(data))}


def at(key, **more):
    return {"Bucket": "state", "Key": key, **more}


def test_reads_what_it_wrote_when_a_record_is_saved(store, stubber):
    stubber.add_response("put_object", {}, at("commands/request-1.json", Body=RECORD.to_bytes()))
    store.save(RECORD)
    stubber.add_response("get_object", body(RECORD.to_bytes()), at("commands/request-1.json"))
    assert store.find("request-1") == RECORD


def test_finds_nothing_when_there_is_no_object(store, stubber):
    stubber.add_client_error("get_object", "NoSuchKey")
    assert store.find("request-1") is None
    stubber.add_client_error("get_object", "NoSuchKey")
    assert store.outcome("request-1") is None
    stubber.add_client_error("head_object", "404")
    assert not store.is_completed("request-1")
    stubber.add_client_error("head_object", "404")
    assert not store.is_open("request-1")


@pytest.mark.parametrize("call", ["find", "outcome", "is_completed", "is_open"])
def test_raises_when_it_may_not_read(store, stubber, call):
    operation = "head_object" if call.startswith("is_") else "get_object"
    stubber.add_client_error(operation, "403", "Forbidden")
    with pytest.raises(AwsCallError, match="403"):
        getattr(store, call)("request-1")


def test_raises_when_a_record_is_damaged(store, stubber):
    stubber.add_response("get_object", body(b"SECRET"))
    with pytest.raises(InvalidRecordError):
        store.find("request-1")


def test_keeps_the_outcome_when_the_command_is_completed(store, stubber):
    written = {"exit_code": 1, "reason": "It failed", "log_tail": ["a", "b"]}
    data = json.dumps(written).encode()
    stubber.add_response(
        "put_object", {}, at("commands/request-1.answered", Body=data, IfNoneMatch="*")
    )
    outcome = Outcome(1, "It failed", ["a", "b"])
    assert store.complete("request-1", outcome)
    stubber.add_response("get_object", body(data), at("commands/request-1.answered"))
    assert store.outcome("request-1") == outcome


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_completes_once_when_another_call_was_first(store, stubber, code):
    stubber.add_client_error("put_object", code)
    assert not store.complete("request-1", Outcome(0, ""))


def test_lists_open_commands_on_all_pages(store, stubber):
    for key, token in (("commands/open/a", "more"), ("commands/open/b", "")):
        stubber.add_response(
            "list_objects_v2",
            {"Contents": [{"Key": key}], "IsTruncated": bool(token),
             **({"NextContinuationToken": token} if token else {})},
        )  # fmt: skip
    assert store.open_ids() == ["a", "b"]


def test_lists_nothing_when_nothing_is_open(store, stubber):
    stubber.add_response("list_objects_v2", {}, {"Bucket": "state", "Prefix": "commands/open/"})
    assert store.open_ids() == []


def test_marks_a_command_as_open_and_as_closed(store, stubber):
    stubber.add_response("put_object", {}, at("commands/open/request-1", Body=b""))
    store.open("request-1")
    stubber.add_response("delete_object", {}, at("commands/open/request-1"))
    store.close("request-1")


def test_takes_the_lock_when_it_is_free(store, stubber):
    stubber.add_response(
        "put_object", {}, at("commands/locks/database", Body=b"request-1", IfNoneMatch="*")
    )
    assert store.take_lock("database", "request-1") is None


@pytest.mark.parametrize(("holder", "told"), [(b"request-1", None), (b"request-0", "request-0")])
def test_returns_the_holder_when_the_lock_is_taken(store, stubber, holder, told):
    stubber.add_client_error("put_object", "PreconditionFailed")
    stubber.add_response("get_object", {**body(holder), "ETag": '"e"'})
    assert store.take_lock("database", "request-1") == told


def test_does_not_get_the_lock_when_its_holder_has_just_ended(store, stubber):
    stubber.add_client_error("put_object", "ConditionalRequestConflict")
    stubber.add_client_error("get_object", "NoSuchKey")
    assert store.take_lock("database", "request-1")


def test_releases_only_the_lock_that_it_has_read(store, stubber):
    stubber.add_response("get_object", {**body(b"request-1"), "ETag": '"e"'})
    stubber.add_response("delete_object", {}, at("commands/locks/database", IfMatch='"e"'))
    store.release_lock("database", "request-1")


def test_does_not_release_the_lock_of_another_command(store, stubber):
    stubber.add_response("get_object", {**body(b"request-0"), "ETag": '"e"'})
    store.release_lock("database", "request-1")


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey"])
def test_ignores_that_another_call_released_the_lock_first(store, stubber, code):
    stubber.add_response("get_object", {**body(b"request-1"), "ETag": '"e"'})
    stubber.add_client_error("delete_object", code)
    store.release_lock("database", "request-1")
