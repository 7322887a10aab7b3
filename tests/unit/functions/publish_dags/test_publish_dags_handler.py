"""The handler of publish_dags, with each of its sample events, on a bucket in memory."""

import json

import pytest
from dag_folder import DagFolder, broken, dag
from in_memory_s3 import error

from contracts.release_reports import EnvironmentReport, ImportErrorReport, ImportFailure
from publish_dags.handler import handler
from publish_dags.ports import NoSuchReleaseError
from shared.aws import clients
from shared.errors import AwsCallError
from shared.observability import UnknownEventError
from shared.settings import SettingError

TOPIC = "arn:aws:sns:eu-central-1:123456789012:notifications"


class Topic:
    def __init__(self):
        self.messages = []
        self.fault = None

    def publish(self, *, TopicArn, Subject, Message):
        if self.fault:
            raise self.fault
        assert TopicArn == TOPIC
        self.messages.append((Subject, Message))


@pytest.fixture
def folder(monkeypatch):
    monkeypatch.setenv("DAG_BUCKET_NAME", "dags")
    limits = {"maxFiles": 100, "maxMib": 1, "kept": 2, "keptDays": 30}
    monkeypatch.setenv("DAG_RELEASES", json.dumps(limits))
    monkeypatch.setenv("EXECUTORS", "celery")
    monkeypatch.setenv("DAG_FILES_OF_CLASS", "0")
    monkeypatch.setenv("NOTIFICATION_TOPIC_ARN", TOPIC)
    folder = DagFolder()
    monkeypatch.setattr(clients, "s3", lambda: folder.s3)
    folder.topic = Topic()
    monkeypatch.setattr(clients, "sns", lambda: folder.topic)
    monkeypatch.setattr("time.sleep", folder.s3.clock.sleep)
    return folder


@pytest.fixture
def strict(monkeypatch, folder):
    monkeypatch.setenv("DAG_RELEASES", json.dumps({"mode": "strict"}))
    return folder


@pytest.fixture
def call(context, folder):
    return lambda event: handler(event, context)


def body_of(record):
    return json.loads(record["body"])


def batch(sample, *keys, **changes):
    """The sample as a batch of one message for each key."""
    (record,) = sample["Records"]
    event = body_of(record) | changes
    bodies = [
        {
            **event,
            "detail": {**event["detail"], "object": {**event["detail"]["object"], "key": key}},
        }
        for key in keys
    ]
    return {"Records": [{**record, "body": json.dumps(body)} for body in bodies]}


@pytest.mark.parametrize("name", ["object-created", "object-deleted"])
def test_publishes_when_a_file_was_put_or_deleted(call, folder, sample_event, name, log_lines):
    folder.change({"classic.py": dag("classic")})
    result = call(sample_event(f"publish_dags/{name}"))
    assert (result["outcome"], result["files"]) == ("published", 1)
    assert json.loads(json.dumps(result)) == result
    assert '"ReleasesPublished":[1.0]' in log_lines()
    (record,) = sample_event(f"publish_dags/{name}")["Records"]
    assert folder.pointer["by"] == body_of(record)["detail"]["requester"]


def test_publishes_a_batch_once(call, folder, sample_event, log_lines):
    folder.change({f"d{number}.py": dag(f"d{number}") for number in range(30)})
    keys = [f"dags/d{number}.py" for number in range(30)]
    event = batch(sample_event("publish_dags/object-created"), *reversed(keys), *keys)
    assert call(event)["files"] == 30
    lines = log_lines()
    assert lines.count('"ReleasesPublished":[1.0]') == 1
    assert '"changes":60' in lines
    assert call({"history": 5})["history"][1:] == []


def test_handles_files_and_reports_of_one_batch(call, folder, sample_event):
    folder.change({"a.py": dag("a")})
    release = "20260102T030405Z-0123456789"
    key = f"releases/{release}.import-errors.json"
    report = ImportErrorReport(release, failures=(), total=0, announced=0, announce=False)
    folder.s3.put(key, report.to_bytes())
    result = call(batch(sample_event("publish_dags/object-created"), key, "dags/a.py", key))
    assert (result["outcome"], result["files"]) == ("published", 1)
    assert result["reports"] == [{"release": release, "importErrors": 0}]


@pytest.mark.parametrize("name", ["dags.zip", "DAGS.ZIP", "Dags.Zip"])
def test_publishes_a_zip_when_it_was_put_into_the_inbox(call, folder, sample_event, name):
    folder.upload({"a.py": dag("a")}, name)
    event = batch(sample_event("publish_dags/object-created"), f"inbox/{name}")
    assert call(event)["outcome"] == "published"
    assert folder.pointer["reason"] == f"inbox/{name}"


def test_publishes_at_once_on_a_direct_call(call, folder, sample_event):
    folder.change({"a.py": ""})
    before = folder.s3.clock.now()
    assert call(sample_event("publish_dags/direct"))["outcome"] == "published"
    assert folder.s3.clock.now() == before


def test_reports_file_line_and_reason_when_a_file_does_not_compile(call, strict, log_lines):
    strict.change({"classic.py": broken()})
    result = call({})
    assert result["outcome"] == "refused"
    assert result["problems"][0].startswith("classic.py, line 2: SyntaxError")
    lines = log_lines()
    assert '"ReleasesRefused":[1.0]' in lines
    assert "ReleasesPublished" not in lines


def test_counts_a_refusal_once_when_it_is_looked_at_regularly(
    call, strict, sample_event, log_lines
):
    strict.change({"classic.py": broken()})
    call({})
    log_lines()
    assert call(sample_event("publish_dags/reconciliation"))["outcome"] == "refused"
    assert "ReleasesRefused" not in log_lines()


def test_reconciliation_publishes_a_change_whose_event_was_lost(call, folder, sample_event):
    folder.change({"a.py": ""})
    assert call(sample_event("publish_dags/reconciliation"))["outcome"] == "published"
    assert call(sample_event("publish_dags/reconciliation"))["outcome"] == "unchanged"


def test_promotes_and_lists_the_history_on_a_direct_call(call, folder, sample_event, log_lines):
    first = folder.publish({"a.py": ""}).release
    second = folder.publish({"a.py": "x = 1"}).release
    result = call(sample_event("publish_dags/promote") | {"promote": first})
    assert (result["outcome"], result["release"]) == ("promoted", first)
    assert '"ReleasesPromoted":[1.0]' in log_lines()
    history = call(sample_event("publish_dags/history"))["history"]
    assert [each["release"] for each in history] == [first, second, first]
    assert history[0]["reason"] == "promoted"
    assert history[0]["by"] == "alice"


def test_ends_a_hold_on_a_direct_call(call, folder):
    first = folder.publish({"a.py": ""}).release
    folder.publish({"a.py": "x = 1"})
    call({"promote": first, "hold": True})
    folder.change({"a.py": "x = 2"})
    assert call({})["outcome"] == "held"
    assert call({"resume": True})["outcome"] == "published"


def test_raises_when_the_release_to_promote_does_not_exist(call, folder):
    with pytest.raises(NoSuchReleaseError):
        call({"promote": "20260101T000000Z-0123456789"})


@pytest.mark.parametrize(
    "key", ["releases/current.json", "other/dags/a.py", "inbox/a.zip.refused.json", "inbox/a.py"]
)
def test_ignores_a_change_of_an_object_that_is_not_a_dag_file(key, call, sample_event, folder):
    event = batch(sample_event("publish_dags/object-created"), key)
    assert call(event) == {"outcome": "ignored"}
    assert folder.s3.requests == []


@pytest.mark.parametrize("change", [{"source": "aws.ecs"}, {"detail-type": "Object Tags Added"}])
def test_ignores_a_message_that_is_not_an_event_of_the_bucket(
    change, call, sample_event, folder, log_lines
):
    event = batch(sample_event("publish_dags/object-created"), "dags/a.py", **change)
    assert call(event) == {"outcome": "ignored"}
    assert "not events of the bucket" in log_lines()
    assert folder.s3.requests == []


@pytest.mark.parametrize("body", ["no JSON", "[]", '"text"'])
def test_handles_the_rest_of_a_batch_when_a_message_is_damaged(call, folder, sample_event, body):
    folder.change({"a.py": ""})
    event = batch(sample_event("publish_dags/object-created"), "dags/a.py")
    event["Records"].insert(0, {**event["Records"][0], "body": body})
    assert call(event)["outcome"] == "published"


@pytest.mark.parametrize("event", [{"source": "aws.s3"}, {"detail": {}}, {"unknown": 1}])
def test_refuses_an_event_when_it_is_unknown(event, call):
    with pytest.raises(UnknownEventError):
        call(event)


def test_raises_when_the_folder_cannot_be_listed(call, folder):
    def fault(when, operation, key):
        if operation == "list":
            raise error("AccessDenied", 403)

    folder.s3.fault = fault
    with pytest.raises(AwsCallError, match="Could not list the DAGs folder: AccessDenied"):
        call({})


def test_raises_when_a_setting_is_missing(call, monkeypatch):
    monkeypatch.delenv("DAG_BUCKET_NAME")
    with pytest.raises(SettingError, match="DAG_BUCKET_NAME"):
        call({})


def test_tells_the_topic_when_files_are_refused(call, strict, sample_event):
    strict.change({"bad.py": broken(), "worse.py": broken()})
    call({})
    subject, text = strict.topic.messages[0]
    assert subject == "DAG files refused: airflow"
    assert "bad.py, line 2: SyntaxError" in text
    assert "No release is published yet." in text
    # Already known: no notification every quarter of an hour.
    call(sample_event("publish_dags/reconciliation"))
    assert len(strict.topic.messages) == 1


def test_tells_little_when_much_is_refused(call, strict):
    strict.change({f"{'very_' * 40}long_{n}.py": broken() for n in range(99)})
    call({})
    _, text = strict.topic.messages[0]
    assert "and 79 more" in text
    assert len(text) < 8_000


@pytest.mark.parametrize("source", [broken(), dag("a", "import pandas")])
def test_goes_on_when_nobody_can_be_told(call, strict, source, log_lines):
    strict.s3.put("releases/environment.json", EnvironmentReport(frozenset()).to_bytes())
    strict.topic.fault = error("AuthorizationError", 403)
    strict.change({"a.py": source})
    assert call({})["outcome"] == ("refused" if source == broken() else "published")
    lines = log_lines()
    assert "Could not notify the topic" in lines
    assert '"NotificationsFailed":[1.0]' in lines


def test_notifies_once_about_a_missing_package(call, folder, log_lines):
    folder.s3.put("releases/environment.json", EnvironmentReport(frozenset()).to_bytes())
    folder.change({"a.py": dag("a", "import pandas")})
    warning = "a.py, line 2: imports 'pandas', which the image does not have"
    assert call({})["warnings"] == [warning]
    assert '"ReleaseWarnings":[1.0]' in log_lines()
    folder.change({"b.py": ""})
    assert call({})["warnings"] == [warning]
    assert [subject for subject, _ in folder.topic.messages] == [
        "DAG release with warnings: airflow"
    ]
    assert warning in folder.topic.messages[0][1]
    assert call({"history": 5})["history"][0]["changes"]["warnings"] == [warning]


def import_errors(folder, sample_event, call, **values):
    release = "20260102T030405Z-0123456789"
    failure = ImportFailure("team/a.py", "ModuleNotFoundError", "No module named 'pw=secret'", 3)
    report = ImportErrorReport(release, failures=(failure,) * values["total"], **values)
    folder.s3.put(f"releases/{release}.import-errors.json", report.to_bytes())
    return call(sample_event("publish_dags/import-errors"))


def test_notifies_file_line_and_error_type_when_airflow_cannot_import(
    call, folder, sample_event, log_lines
):
    result = import_errors(folder, sample_event, call, total=1, announced=1, announce=True)
    assert (result["outcome"], result["reports"][0]["importErrors"]) == ("reported", 1)
    subject, text = folder.topic.messages[0]
    assert subject == "DAG files that Airflow cannot import: airflow"
    assert "team/a.py, line 3: ModuleNotFoundError" in text
    lines = log_lines()
    assert '"ReleaseImportErrors":[1.0]' in lines
    # An exception's text may contain anything.
    assert "secret" not in text + lines


def test_does_not_notify_when_the_report_does_not_ask_for_it(call, folder, sample_event, log_lines):
    import_errors(folder, sample_event, call, total=2, announced=1, announce=False)
    import_errors(folder, sample_event, call, total=0, announced=1, announce=False)
    assert folder.topic.messages == []
    assert "Airflow can import all files again" in log_lines()


@pytest.mark.parametrize("body", [None, b"", b"[]", b'{"schema": 1}'])
def test_ignores_a_report_that_is_deleted_or_unreadable(call, folder, sample_event, body):
    event = sample_event("publish_dags/import-errors")
    if body is not None:
        key = body_of(event["Records"][0])["detail"]["object"]["key"]
        folder.s3.put(key, body)
    assert call(event) == {"outcome": "ignored"}


def test_reconciliation_removes_old_releases(call, folder, sample_event, log_lines):
    for number in range(4):
        folder.publish({"a.py": dag("a", f"x = {number}")})
    folder.s3.clock.sleep(3600)
    result = call(sample_event("publish_dags/reconciliation"))
    assert "has not reported" in result["removalBlocked"]
    assert '"ReleaseRetentionBlocked":[1.0]' in log_lines()
    folder.report_use()
    assert len(call(sample_event("publish_dags/reconciliation"))["removed"]) == 2
    assert '"ReleasesRemoved":[2.0]' in log_lines()
    assert call(sample_event("publish_dags/retire")) == {"removed": [], "removalBlocked": ""}


def test_reports_what_stays_out_once_in_log_topic_and_history(call, folder, log_lines):
    folder.change({"good.py": dag("good"), "bad.py": broken()})
    result = call({})
    assert (result["outcome"], result["files"], result["excludedFiles"]) == ("published", 1, 1)
    text = "bad.py, line 2: SyntaxError: invalid syntax; the file is not in the release"
    assert result["excluded"] == [text]
    lines = log_lines()
    assert '"ReleaseExclusions":[1.0]' in lines
    assert text in lines
    subject, message = folder.topic.messages[0]
    assert subject == "DAG release without some files: airflow"
    assert text in message
    assert f"releases/{result['release']}.exclusions.json" in message
    assert folder.exclusions == {"bad.py": "SyntaxError: invalid syntax"}
    changes = call({"history": 1})["history"][0]["changes"]
    assert (changes["excludedFiles"], changes["excluded"]) == (1, [text])
    # The next release has the same fault: reported, but no second message.
    folder.change({"other.py": dag("other")})
    assert call({})["excluded"] == [text]
    assert len(folder.topic.messages) == 1


def test_warns_of_a_queue_that_the_stack_does_not_have(call, folder, monkeypatch):
    monkeypatch.setenv("WORKER_QUEUE_NAMES", "reports,,heavy")
    tasks = "@task(queue='gpu')\ndef f(): ...\n@task(queue='heavy')\ndef g(): ..."
    folder.change({"a.py": dag("a", f"from airflow.sdk import task\n{tasks}")})
    warning = (
        "a.py, line 3: uses the queue 'gpu', which the stack does not have (the queues are "
        "default, reports, heavy)"
    )
    assert call({})["warnings"] == [warning]
    [(_, text)] = folder.topic.messages
    assert warning in text


def test_warns_of_an_executor_that_the_stack_does_not_have(call, folder, monkeypatch):
    task = "@task(executor='ecs')\ndef f(): ..."
    folder.change({"a.py": dag("a", f"from airflow.sdk import task\n{task}")})
    warning = (
        "a.py, line 3: names the executor 'ecs', which the stack does not have (it has "
        "CeleryExecutor): add ecs to the parameter Executors, or Airflow cannot load the DAG"
    )
    assert call({})["warnings"] == [warning]
    [(_, text)] = folder.topic.messages
    assert warning in text


def test_warns_of_no_executor_that_the_stack_has(call, folder, monkeypatch):
    monkeypatch.setenv("EXECUTORS", "celery,ecs")
    task = "@task(executor='ecs')\ndef f(): ..."
    folder.change({"a.py": dag("a", f"from airflow.sdk import task\n{task}")})
    assert call({})["warnings"] == []


def test_warns_of_an_isolated_queue_outside_its_folder(call, folder, monkeypatch):
    monkeypatch.setenv("WORKER_QUEUE_NAMES", "team-a:isolated,,heavy")
    tasks = "@task(queue='team-a')\ndef f(): ...\n@task(queue='heavy')\ndef g(): ..."
    source = f"from airflow.sdk import task\n{tasks}"
    # Which file's tasks run is decided by the DAG file, not by a module that it imports.
    folder.change(
        {
            "team-a/a.py": dag("a", "import steps"),
            "team-b/b.py": dag("b", source),
            "steps.py": source.encode(),
        }
    )
    assert call({})["warnings"] == [
        "team-b/b.py, line 3: uses the isolated queue 'team-a', whose workers run only the DAG "
        "files in team-a/: these tasks will fail"
    ]


def test_warns_once_of_more_dag_files_than_the_class_is_meant_for(call, folder, monkeypatch):
    monkeypatch.setenv("DAG_FILES_OF_CLASS", "2")
    # Modules and data do not count.
    files = {"a.py": dag("a"), "b.py": dag("b"), "lib.py": b"X = 1", "c.sql": b"select 1"}
    folder.change(files)
    assert call({})["warnings"] == []
    folder.change({"c.py": dag("c")})
    answer = call({})
    [warning] = answer["warnings"]
    assert warning.startswith("more than the 2 DAG files that the EnvironmentClass of this stack")
    assert answer["outcome"] == "published"
    assert call({"history": 1})["history"][0]["changes"]["warnings"] == [warning]
    folder.change({"d.py": dag("d")})
    assert call({})["warnings"] == [warning]
    [(_, text)] = folder.topic.messages
    assert warning in text


def test_does_not_warn_of_many_dag_files_where_the_size_is_not_that_of_the_class(call, folder):
    folder.change({f"{name}.py": dag(name) for name in "abcd"})
    assert call({})["warnings"] == []
