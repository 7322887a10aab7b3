"""Airflow's reports about releases, and the notifications of the publisher."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import Deployed
from tests.e2e.test_2_visible import seconds_until

PATH = "reported.py"
BROKEN = """
from airflow.sdk import DAG
import no_such_package

DAG("reported")
"""


@pytest.fixture
def notifications(deployed: Deployed) -> Iterator["Notifications"]:
    """The messages of the topic."""
    sqs, sns = deployed.workspace.client("sqs"), deployed.workspace.client("sns")
    url = sqs.create_queue(QueueName="notifications")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn = found["Attributes"]["QueueArn"]
    topic = deployed.outputs["NotificationTopicArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )
    yield Notifications(sqs, url)
    sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    sqs.delete_queue(QueueUrl=url)


class Notifications:
    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs, self._url = sqs, url
        self._messages: dict[str, str] = {}

    def text(self, subject: str) -> str | None:
        """The text of the message with this subject, as soon as it has arrived."""
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            body = json.loads(message["Body"])
            self._messages.setdefault(body["Subject"].partition(":")[0], body["Message"])
        return self._messages.get(subject)


def test_reports_a_file_that_airflow_cannot_import_with_its_release(
    deployed: Deployed, notifications: Notifications
):
    s3, bucket = deployed.workspace.client("s3"), deployed.outputs["DagBucketName"]

    def document(key: str) -> Any:
        try:
            return json.loads(s3.get_object(Bucket=bucket, Key=f"releases/{key}")["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None

    before = document("current.json")["release"]
    s3.put_object(Bucket=bucket, Key=f"dags/{PATH}", Body=BROKEN.encode())
    seconds_until(lambda: document("current.json")["release"] != before)
    pointer = document("current.json")
    warning = f"{PATH}, line 3: imports 'no_such_package', which the image does not have"
    assert pointer["changes"]["warnings"] == [warning]

    report = f"{pointer['release']}.import-errors.json"
    # A refresh, a parse, and another refresh.
    seconds_until(lambda: document(report), limit=60)
    (failure,) = document(report)["failures"]
    assert (failure["path"], failure["error"], failure["line"]) == (PATH, "ModuleNotFoundError", 3)

    seconds_until(lambda: notifications.text("DAG files that Airflow cannot import"), limit=30)
    text = notifications.text("DAG files that Airflow cannot import")
    assert text
    assert f"Release {pointer['release']}, 1 files:\n{PATH}, line 3: ModuleNotFoundError" in text
    seconds_until(lambda: notifications.text("DAG release with warnings"), limit=30)

    s3.put_object(Bucket=bucket, Key=f"dags/{PATH}", Body=b"")
    seconds_until(lambda: document("current.json")["release"] != pointer["release"])
    repaired = document("current.json")["release"]
    seconds_until(lambda: not errors_in_airflow(deployed), limit=60)
    assert document(f"{repaired}.import-errors.json") is None


def errors_in_airflow(deployed: Deployed) -> list[str]:
    return [each["filename"] for each in deployed.api().get("importErrors")["import_errors"]]


def test_reports_needed_releases_and_importable_packages(deployed: Deployed):
    s3, bucket = deployed.workspace.client("s3"), deployed.outputs["DagBucketName"]

    def report(name: str) -> tuple[Any, datetime]:
        found = s3.get_object(Bucket=bucket, Key=f"releases/{name}.json")
        return json.loads(found["Body"].read()), found["LastModified"]

    in_use, at = report("in-use")
    named = in_use["releases"]
    # Reported every five minutes.
    assert datetime.now(UTC) - at < timedelta(minutes=6)
    for run in deployed.api().get("dags/~/dagRuns")["dag_runs"]:
        if run["end_date"] and datetime.fromisoformat(run["end_date"]) < at:
            assert run["bundle_version"] in named
    packages = report("environment")[0]["packages"]
    assert {"airflow", "boto3"} <= set(packages)
    assert "no_such_package" not in packages
