"""Two hundred releases with random timing, recorded by the dag-processor while runs are created.

Bad files stay out of each release, and are import errors at the end. The publisher, the
dag-processor, the database and the creation of runs are real. Nothing executes the runs;
`tests/releases` has the whole stack.
"""

import json
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from waiting import PATIENCE_SECONDS

from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.checks.limits import Limits
from publish_dags.publisher import Publisher
from tests.integration.recording.conftest import BUCKET

RELEASES = int(os.environ.get("RELEASES", "200"))
RUNS = Path(__file__).with_name("runs.py")
DAG_IDS = ("first", "second", "third")
# A parse that reads files of two releases fails.
DAG = """
from airflow.sdk import DAG, task
from modules import early

assert early.NUMBER == {number}

with DAG("{dag_id}", schedule=None):
    begin, step, end = (
        task(lambda: None, task_id=name)() for name in ("begin", "step_{number}", "end")
    )
    begin >> step >> end
"""
# Others in each release: one does not compile, one has a DAG of another file.
BAD_FILES = {
    "bad.py": "from airflow.sdk import DAG\ndef  # {number}",
    "z_copy.py": "from airflow.sdk import DAG\nfirst = DAG('first')\n# {number}",
}


class Publishing:
    """Uploads all files of a release and publishes it; knows the number of each release."""

    def __init__(self) -> None:
        self._s3 = boto3.client("s3")
        self._publisher = Publisher(
            source=S3DagSource(self._s3, BUCKET, "dags/"),
            inbox=S3Inbox(self._s3, BUCKET, "inbox/"),
            releases=S3ReleaseStore(self._s3, BUCKET, "releases/"),
            limits=Limits(files=100, total_bytes=10_000_000),
            now=lambda: datetime.now(UTC),
        )
        self.numbers: dict[str, int] = {}

    def publish(self, number: int) -> None:
        files = {f"{name}.py": DAG.format(dag_id=name, number=number) for name in DAG_IDS}
        files |= {"modules/__init__.py": "", "modules/early.py": f"NUMBER = {number}\n"}
        files |= {name: text.format(number=number) for name, text in BAD_FILES.items()}
        for path, text in files.items():
            self._s3.put_object(Bucket=BUCKET, Key=f"dags/{path}", Body=text.encode())
        publication = self._publisher.publish("test")
        assert publication.release
        assert {each.path for each in publication.exclusions} == set(BAD_FILES)
        self.numbers[publication.release] = number


def until(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.timeout(1200)
def test_every_run_has_the_tasks_of_its_release_when_releases_come_at_random_moments(
    component: dict[str, str], tmp_path: Path
) -> None:
    # For more switches in less time.
    bundles = json.loads(component["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    bundles[0]["kwargs"]["refresh_interval"] = 1
    component["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps(bundles)
    publishing, chance = Publishing(), random.Random(20)
    publishing.publish(0)
    log = (tmp_path / "dag-processor.log").open("wb")
    processor = subprocess.Popen(
        [sys.executable, "-m", "airflow_on_fargate.component", "dag-processor"],
        env=component, cwd=tmp_path, stdout=log, stderr=log,
    )  # fmt: skip
    maker = subprocess.Popen([sys.executable, RUNS, "make", tmp_path], env=component)
    try:
        until(tmp_path / "ready", maker)
        for number in range(1, RELEASES):
            time.sleep(chance.uniform(0, 1))
            publishing.publish(number)
    finally:
        (tmp_path / "stop").touch()
        maker.wait(60)
        processor.terminate()
        processor.wait(60)

    (tmp_path / "numbers.json").write_text(json.dumps(publishing.numbers))
    judged = subprocess.run(
        [sys.executable, RUNS, "judge", tmp_path],
        env=component, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found = json.loads(judged.stdout.splitlines()[-1])
    switches = (tmp_path / "dag-processor.log").read_text().count("Serving DAG release")
    wrong = found.pop("wrong")
    print({"releases": RELEASES, "switches": switches, **found, "wrong": len(wrong)})
    assert wrong == []
    assert found["import errors"] == 0
    assert found["left out"] == sorted(BAD_FILES)
    # The served release is recorded, however fast releases follow each other.
    assert found["of releases"] > switches * 0.8
