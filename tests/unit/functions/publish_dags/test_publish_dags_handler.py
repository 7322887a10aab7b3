"""The handler of publish_dags, with each of its sample events, on a bucket in memory."""

import json

import pytest
from dag_folder import DagFolder, dag
from in_memory_s3 import error

from publish_dags.handler import handler
from publish_dags.ports import NoSuchReleaseError
from shared import clients
from shared.errors import AwsCallError
from shared.observability import UnknownEventError
from shared.settings import SettingError


@pytest.fixture
def folder(monkeypatch):
    monkeypatch.setenv("DAG_BUCKET_NAME", "dags")
    monkeypatch.setenv("SOURCE_PREFIX", "dags/")
    monkeypatch.setenv("INBOX_PREFIX", "inbox/")
    monkeypatch.setenv("RELEASE_PREFIX", "releases/")
    monkeypatch.setenv("DAG_FILES_MAX_COUNT", "100")
    monkeypatch.setenv("DAG_FILES_MAX_MIB", "1")
    folder = DagFolder()
    monkeypatch.setattr(clients, "s3", lambda: folder.s3)
    monkeypatch.setattr("time.sleep", folder.s3.clock.sleep)
    return folder


@pytest.fixture
def call(context, folder):
    return lambda event: handler(event, context)


@pytest.mark.parametrize("name", ["object-created", "object-deleted"])
def test_publishes_when_a_file_was_put_or_deleted(call, folder, sample_event, name, log_lines):
    folder.change({"classic.py": dag("classic")})
    result = call(sample_event(f"publish_dags/{name}"))
    assert (result["outcome"], result["files"]) == ("published", 1)
    assert json.loads(json.dumps(result)) == result
    assert '"ReleasesPublished":[1.0]' in log_lines()
    assert folder.pointer["by"] == sample_event(f"publish_dags/{name}")["detail"]["requester"]


def test_publishes_a_zip_when_it_was_put_into_the_inbox(call, folder, sample_event):
    folder.upload({"a.py": dag("a")})
    event = sample_event("publish_dags/object-created")
    event["detail"]["object"]["key"] = "inbox/dags.zip"
    assert call(event)["outcome"] == "published"
    assert folder.pointer["reason"] == "inbox/dags.zip"


def test_publishes_at_once_when_somebody_asks(call, folder, sample_event):
    folder.change({"a.py": ""})
    before = folder.s3.clock.now()
    assert call(sample_event("publish_dags/direct"))["outcome"] == "published"
    assert folder.s3.clock.now() == before


def test_reports_file_line_and_reason_when_a_file_does_not_compile(call, folder, log_lines):
    folder.change({"classic.py": "x = 1\ndef f(:\n"})
    result = call({})
    assert result["outcome"] == "refused"
    assert result["problems"][0].startswith("classic.py, line 2: SyntaxError")
    lines = log_lines()
    assert '"ReleasesRefused":[1.0]' in lines
    assert "ReleasesPublished" not in lines


def test_counts_a_refusal_once_when_it_is_looked_at_regularly(
    call, folder, sample_event, log_lines
):
    folder.change({"classic.py": "def"})
    call({})
    log_lines()
    assert call(sample_event("publish_dags/reconciliation"))["outcome"] == "refused"
    assert "ReleasesRefused" not in log_lines()


def test_finds_what_no_event_brought_when_it_looks_regularly(call, folder, sample_event):
    folder.change({"a.py": ""})
    assert call(sample_event("publish_dags/reconciliation"))["outcome"] == "published"
    assert call(sample_event("publish_dags/reconciliation"))["outcome"] == "unchanged"


def test_promotes_and_tells_the_history_when_asked(call, folder, sample_event, log_lines):
    first = folder.publish({"a.py": ""}).release
    second = folder.publish({"a.py": "x = 1"}).release
    result = call(sample_event("publish_dags/promote") | {"promote": first})
    assert (result["outcome"], result["release"]) == ("promoted", first)
    assert '"ReleasesPromoted":[1.0]' in log_lines()
    history = call(sample_event("publish_dags/history"))["history"]
    assert [each["release"] for each in history] == [first, second, first]
    assert history[0]["reason"] == "promoted"
    assert history[0]["by"] == "alice"


def test_ends_a_hold_when_asked(call, folder):
    first = folder.publish({"a.py": ""}).release
    folder.publish({"a.py": "x = 1"})
    call({"promote": first, "hold": True})
    folder.change({"a.py": "x = 2"})
    assert call({})["outcome"] == "held"
    assert call({"resume": True})["outcome"] == "published"


def test_raises_when_the_release_to_promote_is_not_there(call, folder):
    with pytest.raises(NoSuchReleaseError):
        call({"promote": "20260101T000000Z-0123456789"})


@pytest.mark.parametrize(
    "key", ["releases/current.json", "other/dags/a.py", "inbox/a.zip.refused.json", "inbox/a.py"]
)
def test_ignores_a_change_when_it_is_of_no_dag_file(key, call, sample_event, folder):
    event = sample_event("publish_dags/object-created")
    event["detail"]["object"]["key"] = key
    assert call(event) == {"outcome": "ignored"}
    assert folder.s3.requests == []


@pytest.mark.parametrize("change", [{"source": "aws.ecs"}, {"detail-type": "Object Tags Added"}])
def test_refuses_an_event_when_it_is_unknown(change, call, sample_event):
    with pytest.raises(UnknownEventError):
        call(sample_event("publish_dags/object-created") | change)


def test_raises_when_the_folder_cannot_be_listed(call, folder):
    def fault(when, operation, key):
        if operation == "list":
            raise error("AccessDenied", 403)

    folder.s3.fault = fault
    with pytest.raises(AwsCallError, match="Could not list the DAGs folder: AccessDenied"):
        call({})


def test_raises_when_a_setting_is_missing(call, monkeypatch):
    monkeypatch.delenv("SOURCE_PREFIX")
    with pytest.raises(SettingError, match="SOURCE_PREFIX"):
        call({})
