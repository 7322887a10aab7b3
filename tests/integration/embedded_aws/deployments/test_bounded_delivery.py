"""nested/delivery.yaml with the real function: an upload of many files starts few calls.

The account is a new one: ten concurrent executions for all functions. Events come late, in another
order, and some of them twice.
"""

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aws_lambda_powertools
import pathspec
import pytest

from contracts.release_manifest import ReleaseManifest
from publish_dags.aws.s3_release_store import S3ReleaseStore

from ..conftest import REPOSITORY, eventually, running_embedded_aws
from ..stack_driver import BUCKET, EXECUTION_ROLE, Stack, StackDriver, deploy

FILES = 500
LIMIT = 10
TEMPLATE = REPOSITORY / "nested" / "delivery.yaml"
DURATION = re.compile(r"REPORT RequestId: \S+\s+Duration: ([\d.]+) ms")
STATE: dict[str, Any] = {
    "DagBucket": {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "VersioningConfiguration": {"Status": "Enabled"},
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        },
    },
    "Topic": {"Type": "AWS::SNS::Topic"},
    "Role": EXECUTION_ROLE,
}
SCALER = "def handler(event, context): return 'launched'"


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackDriver]:
    state_dir = tmp_path_factory.mktemp("bounded")
    settings = {"lambda_concurrency": LIMIT, "event_disorder_seconds": 3}
    with running_embedded_aws(state_dir, **settings) as running:
        yield StackDriver(running)


def package() -> bytes:
    """The function as `sam build` makes it, from what is installed here."""
    buffer = io.BytesIO()
    installed = [Path(module.__file__).parent for module in (aws_lambda_powertools, pathspec)]
    functions = REPOSITORY / "functions"
    own = [functions / name for name in ("contracts", "shared", "publish_dags")]
    libraries = [*installed, *(installed[0].parent / name for name in ("jmespath", "tzdata"))]
    with zipfile.ZipFile(buffer, "w") as archive:
        for folder in (*own, *libraries):
            for path in folder.rglob("*.py"):
                archive.write(path, path.relative_to(folder.parent))
        archive.write(installed[0].parent / "typing_extensions.py", "typing_extensions.py")
    return buffer.getvalue()


def delivery(stacks: StackDriver, bucket: str, topic: str) -> Stack:
    key = stacks.upload(package()).rsplit("/", 1)[-1]
    code = f"Code: {{S3Bucket: {BUCKET}, S3Key: {key}}}"
    template = TEMPLATE.read_text().replace("Code: ../functions/", code)
    assert code in template
    return stacks.create(
        template,
        RootStackName="airflow",
        DagBucketName=bucket,
        DagReleases="{}",
        Executors="celery",
        DagFilesOfClass="0",
        WorkerQueueNames="",
        NotificationTopicArn=topic,
        KmsKeyArn="",
        LogDays="14",
    )


def calls(stacks: StackDriver, stack: Stack) -> list[tuple[float, float]]:
    """Begin and end of each call of the publisher, by the log."""
    group = stacks.physical_id(stack, "PublishDagsLogGroup")
    pages = stacks.aws.client("logs").get_paginator("filter_log_events")
    found = []
    for page in pages.paginate(logGroupName=group, filterPattern="REPORT"):
        for event in page["events"]:
            match = DURATION.search(event["message"])
            if match:
                ended = event["timestamp"]
                found.append((ended - float(match.group(1)), ended))
    return found


def most_at_once(found: list[tuple[float, float]]) -> int:
    return max(sum(other[0] <= began < other[1] for other in found) for began, _ in found)


def test_upload_of_many_files_starts_few_calls_and_the_scaler_answers_meanwhile(
    stacks: StackDriver,
) -> None:
    state = deploy(stacks, {**STATE, "Scaler": stacks.function(SCALER)})
    bucket = stacks.physical_id(state, "DagBucket")
    stack = delivery(stacks, bucket, stacks.physical_id(state, "Topic"))
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    s3, functions = stacks.aws.client("s3"), stacks.aws.client("lambda")
    scaler = stacks.physical_id(state, "Scaler")

    def put(number: int) -> None:
        s3.put_object(Bucket=bucket, Key=f"dags/file_{number}.py", Body=f"x = {number}".encode())

    def manifest() -> ReleaseManifest | None:
        releases = S3ReleaseStore(s3, bucket, "releases/")
        pointer = releases.pointer()
        return releases.release(pointer.pointer.release).manifest if pointer else None

    def everything_is_published() -> bool:
        answer = functions.invoke(FunctionName=scaler)
        assert json.loads(answer["Payload"].read()) == "launched"
        current = manifest()
        return current is not None and len(current.files) == FILES

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        uploads = [pool.submit(put, number) for number in range(FILES)]
        eventually(everything_is_published, timeout=300, every=0.2)
    assert all(upload.done() and upload.exception() is None for upload in uploads)
    seconds = time.monotonic() - began

    queue = stacks.physical_id(stack, "DagChangesQueue")

    def all_is_taken() -> bool:
        found = stacks.aws.client("sqs").get_queue_attributes(
            QueueUrl=queue, AttributeNames=["All"]
        )["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(found[name]) for name in names) == 0

    eventually(all_is_taken, timeout=120)
    found = calls(stacks, stack)
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="releases/2", Delimiter="/")
    releases = len({entry["Key"].split(".")[0] for entry in listed["Contents"]})
    print(
        f"{FILES} files: {len(found)} calls, {most_at_once(found)} at once, {releases} releases, "
        f"published after {seconds:.1f} s"
    )
    assert most_at_once(found) <= 2
    assert len(found) <= FILES / 10
    assert releases <= 5
