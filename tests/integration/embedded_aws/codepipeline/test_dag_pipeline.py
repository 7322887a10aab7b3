"""The pipeline of pipeline/template.yaml: a commit becomes a release, or stops where it should.

CodeBuild's projects, roles and buildspecs are the very ones, and their commands run. What
CodePipeline does between them, this module does: it puts the commit into the bucket of artifacts
and starts one build after the other (`Pipeline`). The checks run with this machine's environment of
the image instead of a container of it, and the publisher runs in a thread instead of a function.
"""

import io
import json
import subprocess
import sys
import threading
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from checked_projects import AIRFLOW_PYTHON, CHECKS_PYTHON, GOOD_DAG, GOOD_TEST

from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.checks.limits import Limits
from publish_dags.history.promotion import Promoter
from publish_dags.publisher import Publisher

from ..conftest import REPOSITORY, EmbeddedAws, eventually
from ..stack_driver import BUCKET, Stack, StackDriver

sys.path.insert(0, str(REPOSITORY / "tests" / "templates" / "support"))
from template_files import pipeline as template

CONNECTION = (
    "arn:aws:codeconnections:us-east-1:000000000000:connection/01234567-89ab-cdef-0123-456789abcdef"
)
# What stands in the place of a container of the image.
MACHINE = {
    "AIRFLOW_IMAGE": "",
    "AIRFLOW_PYTHON": AIRFLOW_PYTHON,
    "CHECKS_PYTHON": CHECKS_PYTHON,
    "IMAGE_SOURCE": str(REPOSITORY / "images/airflow/src"),
}
Files = Mapping[str, str]
GOOD = {"dags/good.py": GOOD_DAG, "tests/test_good.py": GOOD_TEST}
# The build has the credentials of its role, and the tests of the repository must not see them.
CURIOUS = {
    "tests/test_curious.py": (
        "import os\n\n\ndef test_sees_no_credentials():\n"
        "    assert not [name for name in os.environ if name.startswith('AWS_SE')]\n"
    )
}
NO_IMPORTS = "--skip import --skip rules"
# For what does not depend on the checks.
NO_CHECKS = f"{NO_IMPORTS} --skip lint --skip security --skip release --skip tests"


@dataclass(frozen=True)
class Run:
    """How a run of the pipeline ended: the last stage, and the log of its build."""

    stage: str
    succeeded: bool
    log: str


class Pipeline:
    """Walks through the stages as CodePipeline does."""

    def __init__(self, stacks: StackDriver, stack: Stack) -> None:
        self._stacks = stacks
        self._stack = stack
        self._stages = template().resources["Pipeline"]["Properties"]["Stages"]

    def push(self, commit: str, files: Files, options: str = NO_IMPORTS) -> Run:
        key = f"{uuid.uuid4().hex}/Commit/{commit}.zip"
        bucket = self._id("ArtifactBucket")
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        aws = self._stacks.aws
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body.getvalue())
        run = Run("Source", True, "")
        for stage in self._stages[1:]:
            (action,) = stage["Actions"]
            configuration = action["Configuration"]
            variables = (
                configuration["EnvironmentVariables"]
                .replace("#{Source.CommitId}", commit)
                .replace("#{codepipeline.PipelineExecutionId}", f"run-of-{commit}")
            )
            given = {**MACHINE, "CHECK_OPTIONS": options}
            build = self._build(
                self._id(configuration["ProjectName"]["Ref"]),
                f"{bucket}/{key}",
                [*json.loads(variables), *({"name": n, "value": v} for n, v in given.items())],
            )
            run = Run(stage["Name"], build["buildStatus"] == "SUCCEEDED", self._log(build))
            if not run.succeeded:
                break
        return run

    def _build(self, project: str, source: str, variables: list[dict[str, str]]) -> dict[str, Any]:
        api = self._stacks.aws.client("codebuild")
        build = api.start_build(
            projectName=project,
            sourceTypeOverride="S3",
            sourceLocationOverride=source,
            environmentVariablesOverride=variables,
        )["build"]["id"]

        def ended() -> dict[str, Any] | None:
            (found,) = api.batch_get_builds(ids=[build])["builds"]
            return found if found["buildStatus"] != "IN_PROGRESS" else None

        described: dict[str, Any] = eventually(ended)
        return described

    def _log(self, build: dict[str, Any]) -> str:
        logs = build["logs"]
        events = self._stacks.aws.client("logs").get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], startFromHead=True
        )["events"]
        return "".join(event["message"] for event in events)

    def _id(self, logical_id: str) -> str:
        return self._stacks.physical_id(self._stack, logical_id)


class Dags:
    """The bucket of an environment, with its publisher."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self._s3 = aws.client("s3")
        self.bucket = f"dags-{uuid.uuid4().hex[:8]}"
        self._s3.create_bucket(Bucket=self.bucket)
        self._s3.put_bucket_versioning(
            Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)

    def __enter__(self) -> "Dags":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _publish(self) -> None:
        while not self._ended.wait(0.5):
            if self._publisher.inbox.newest():
                self._publisher.publish(again=False)

    @property
    def _publisher(self) -> Publisher:
        return Publisher(
            source=S3DagSource(self._s3, self.bucket, "dags/"),
            inbox=S3Inbox(self._s3, self.bucket, "inbox/"),
            releases=S3ReleaseStore(self._s3, self.bucket, "releases/"),
            limits=Limits(1000, 10_000_000),
            now=lambda: datetime.now(UTC),
            strict=True,
        )

    def history(self) -> list[dict[str, Any]]:
        return Promoter(self._publisher).history(20)

    @property
    def live(self) -> str:
        """The commit that is live."""
        found: str = self.history()[0].get("origin", {}).get("commit", "")
        return found


@pytest.fixture(scope="module")
def stacks(embedded_aws: EmbeddedAws) -> StackDriver:
    return StackDriver(embedded_aws)


@pytest.fixture(scope="module")
def layer(stacks: StackDriver, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sources of the checks, made as `sam build` makes them; the key of the zip file."""
    folder = tmp_path_factory.mktemp("layer")
    makefile = REPOSITORY / "checks" / "Makefile"
    subprocess.run(
        ["make", "--silent", "-f", str(makefile), "build-ChecksSource", f"ARTIFACTS_DIR={folder}"],
        check=True,
        cwd=makefile.parent,
    )
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return stacks.upload(body.getvalue()).rsplit("/", 1)[-1]


def deployed(stacks: StackDriver, layer: str, bucket: str, *without: str) -> Stack:
    """The template, without the statements that the test takes away."""
    text = template().text.replace(
        "Content: ../checks/", f"Content: {{S3Bucket: {BUCKET}, S3Key: {layer}}}"
    )
    for statement in without:
        assert statement in text
        text = text.replace(statement, "Action: s3:GetBucketAcl")
    return stacks.create(
        text,
        ConnectionArn=CONNECTION,
        DagBucketName=bucket,
        AirflowImageUri="000000000000.dkr.ecr.us-east-1.amazonaws.com/airflow:1",
        Repository="team/dags",
    )


@pytest.fixture(scope="module")
def dags(embedded_aws: EmbeddedAws) -> Iterator[Dags]:
    with Dags(embedded_aws) as dags:
        yield dags


@pytest.fixture(scope="module")
def pipeline(stacks: StackDriver, layer: str, dags: Dags) -> Pipeline:
    stack = deployed(stacks, layer, dags.bucket)
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return Pipeline(stacks, stack)


@pytest.fixture(scope="module")
def live(pipeline: Pipeline, dags: Dags) -> str:
    """A good commit, checked by everything, which is live."""
    run = pipeline.push("good", {**GOOD, **CURIOUS}, "")
    assert (run.stage, run.succeeded) == ("Publish", True), run.log
    assert "good is live as " in run.log
    return "good"


def test_good_commit_is_live_with_its_origin_in_the_history(live: str, dags: Dags) -> None:
    entry = dags.history()[0]
    assert entry["reason"] == "inbox/good.zip"
    assert entry["origin"] == {
        "repository": "team/dags",
        "branch": "main",
        "commit": "good",
        "build": "1",
        "run": "run-of-good",
        "url": (
            "https://us-east-1.console.aws.amazon.com/codesuite/settings/connections/redirect?"
            f"connectionArn={CONNECTION}&referenceType=COMMIT&FullRepositoryId=team/dags&Commit=good"
        ),
    }


# Several faults in one commit, because each run takes seconds; one by one they are in
# tests/unit/checks.
BAD = {
    "code": (
        {
            "dags/syntax.py": "from airflow.sdk import DAG\nx = (\n",
            "dags/missing.py": "from airflow.sdk import DAG\nimport nothing_like_this\n",
            "dags/hangs.py": "from airflow.sdk import DAG\nimport time\ntime.sleep(3600)\n",
            "dags/weak.py": "import subprocess\nsubprocess.call(input(), shell=True)\n",
            "tests/test_bad.py": "def test_bad():\n    assert False\n",
            "check-dags.toml": (
                '[quality-gate]\nproject = "team_dags"\n[imports]\nseconds = 4\nmemory_mib = 300\n'
            ),
        },
        "",
        [
            "dags/syntax.py:2: error: SyntaxError",
            "dags/missing.py:2: error: ModuleNotFoundError",
            "dags/hangs.py: error: the import did not end within 4 s",
            "dags/weak.py:2: error: subprocess call",
            "tests/test_bad.py:2: error: test_bad failed",
            "the variable SONAR_TOKEN is not set",
        ],
    ),
    "settings and environment": (
        {
            "check-dags.toml": (
                '[tests]\nfolders = ["tests", "more"]\n'
                '[quality-gate]\nproject = "team_dags"\nurl = "http://127.0.0.1:1"\n'
                'token_variable = "COMMIT"\n'
            )
        },
        NO_IMPORTS,
        ["there is no folder more", "http://127.0.0.1:1 does not answer"],
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_commit_ends_at_the_checks_and_the_live_release_stays(
    pipeline: Pipeline, dags: Dags, live: str, fault: str
) -> None:
    before = len(dags.history())
    files, options, reasons = BAD[fault]
    run = pipeline.push("bad", {**GOOD, **files}, options)
    assert (run.stage, run.succeeded) == ("Check", False), run.log
    assert [reason for reason in reasons if reason not in run.log] == [], run.log
    assert (len(dags.history()), dags.live) == (before, live)


def test_push_back_to_a_former_commit_makes_it_live_again(
    pipeline: Pipeline, dags: Dags, live: str
) -> None:
    assert pipeline.push("next", {**GOOD, "dags/data.txt": "next"}, NO_CHECKS).succeeded
    assert dags.live == "next"
    assert pipeline.push(live, GOOD, NO_CHECKS).succeeded
    assert dags.live == live


def test_permission_that_is_missing_ends_the_run_with_its_name(
    stacks: StackDriver, layer: str, embedded_aws: EmbeddedAws
) -> None:
    with Dags(embedded_aws) as dags:
        upload = "Action: [s3:PutObject, s3:GetObject]"
        stack = deployed(stacks, layer, dags.bucket, upload)
        run = Pipeline(stacks, stack).push("good", GOOD, NO_CHECKS)
        assert (run.stage, run.succeeded) == ("Publish", False), run.log
        assert "cannot be uploaded" in run.log
        assert "s3:PutObject" in run.log
        assert dags.history() == []


# --- what CodePipeline refuses ---


def test_role_that_does_not_trust_codepipeline_is_refused(
    stacks: StackDriver, layer: str, embedded_aws: EmbeddedAws
) -> None:
    text = template().text.replace("Content: ../checks/", f"Content: {{S3Bucket: {BUCKET}, S3Key: "
                                   f"{layer}}}")  # fmt: skip
    text = text.replace("codepipeline.amazonaws.com", "codedeploy.amazonaws.com")
    stack = stacks.create(
        text, ConnectionArn=CONNECTION, DagBucketName="dags", AirflowImageUri="airflow:1"
    )
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "is not authorized to perform AssumeRole" in stacks.failures(stack)["Pipeline"]


def test_pipeline_with_one_stage_is_refused(stacks: StackDriver, layer: str) -> None:
    text = template().text.replace("Content: ../checks/", f"Content: {{S3Bucket: {BUCKET}, S3Key: "
                                   f"{layer}}}")  # fmt: skip
    first, _, _ = text.partition("        - Name: Check\n")
    rest = text[text.index("  # ---- Roles for pipelines elsewhere") :]
    stack = stacks.create(
        f"{first}\n{rest}",
        ConnectionArn=CONNECTION,
        DagBucketName="dags",
        AirflowImageUri="airflow:1",
    )
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "at least 2 are needed" in stacks.failures(stack)["Pipeline"]


def test_build_of_a_pipeline_is_not_started_by_hand(
    pipeline: Pipeline, embedded_aws: EmbeddedAws
) -> None:
    api = embedded_aws.client("codebuild")
    project = pipeline._id("CheckProject")
    with pytest.raises(api.exceptions.InvalidInputException, match="by a pipeline only"):
        api.start_build(projectName=project)


def test_source_that_the_role_may_not_read_fails_the_build(
    pipeline: Pipeline, embedded_aws: EmbeddedAws
) -> None:
    api = embedded_aws.client("codebuild")
    build = pipeline._build(pipeline._id("CheckProject"), f"{BUCKET}/none.zip", [])
    assert build["buildStatus"] == "FAILED"
    failed = [phase for phase in build["phases"] if phase.get("phaseStatus") == "FAILED"]
    assert [phase["phaseType"] for phase in failed] == ["DOWNLOAD_SOURCE"]
    assert "AccessDenied" in failed[0]["contexts"][0]["message"]
    assert api.batch_get_builds(ids=[build["id"]])["builds"]
