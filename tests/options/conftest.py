"""One stack for the suite: the words of Options about security and a team's queue.

The templates' tests check each word alone. Here the embedded AWS creates all of it with IAM
enforced, and Airflow runs on it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transcript import Transcript
from waiting import PATIENCE_SECONDS

from commands import deployment, emulator, smoke
from commands.steps import wait_until
from commands.workspace import ROOT
from tests.upgrade.conftest import Stack, workspace_in

# `protected` is refused in a first deployment. The words about the image (`x86`, `codebuild`,
# `refuse-critical`, `refuse-high`) have tests in tests/integration/embedded_aws.
WORDS = "exec,customer-key,access-logs,flow-logs,waf,rotate-secrets"
TEAM = "team-a"
DAGS = Path(__file__).parent / "dags"
WORKER = {"size": "1024/4096/1", "maxCount": 1}


class SecuredStack(Stack):
    """A stack behind CloudFront."""

    def create_secret(self, path: str, value: str) -> None:
        client = self.workspace.client("secretsmanager")
        client.create_secret(Name=f"{self.outputs['SecretsPrefix']}/{path}", SecretString=value)

    def upload(self, key: str, source: Path) -> None:
        s3, bucket = self.workspace.client("s3"), self.outputs["DagBucketName"]
        s3.put_object(Bucket=bucket, Key=f"dags/{key}", Body=source.read_bytes())

    def finish(self, dag_id: str) -> dict[str, Any]:
        """Run a DAG of one task to its end; returns the task instance."""
        run_id = self.start(dag_id)
        api = self.api()
        wait_until(
            lambda: api.run(dag_id, run_id)["state"] in ("success", "failed"),
            PATIENCE_SECONDS, f"the end of {dag_id}", interval=1,
        )  # fmt: skip
        (instance,) = api.task_instances(dag_id, run_id)
        return dict(instance)

    def log(self, instance: dict[str, Any], text: str) -> str:
        """The log of a task, as soon as it has this text: a worker uploads it after the end."""
        api = self.api()
        found = ""

        def has_text() -> bool:
            nonlocal found
            found = api.log(instance)
            return text in found

        wait_until(has_text, PATIENCE_SECONDS, f"{text!r} in a log", interval=1, now=lambda: found)
        return found

    def resources(self, nested: str) -> dict[str, str]:
        """Logical → physical ids of the nested stacks with this text in their names."""
        client = self.workspace.client("cloudformation")
        found: dict[str, str] = {}
        for stack in deployment.all_stacks(self.workspace):
            if nested in stack["StackName"]:
                described = client.describe_stack_resources(StackName=stack["StackId"])
                for each in described["StackResources"]:
                    found[each["LogicalResourceId"]] = each["PhysicalResourceId"]
        return found


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredStack]:
    """The stack, healthy, with the DAGs of this suite and those of the smoke test."""
    workspace = workspace_in(tmp_path_factory.mktemp("options"))
    emulator.start(workspace)
    try:
        deployment.build(workspace)
        transcript: Any = Transcript()
        fleets = {"default": WORKER, TEAM: WORKER}
        parameters = {
            "IngressMode": "cloudfront",
            "IngressCidr": "",
            "Options": WORDS,
            "WorkerQueueNames": f"{TEAM}:isolated",
            "WorkerFleets": f"'{json.dumps(fleets)}'",
        }
        deployment.deploy(workspace, transcript, parameters, ROOT)
        stack = SecuredStack(workspace)
        url = stack.outputs["AirflowUrl"]
        smoke.wait_healthy(stack.outputs, ca_file=workspace.ca_file_for(url))
        stack.create_secret(f"queues/{TEAM}/variables/owner", TEAM)
        stack.create_secret("variables/shared", "everybody")
        smoke.create_sample_secrets(workspace, stack.outputs)
        smoke.upload_dags(workspace, stack.outputs)
        stack.upload(f"{TEAM}/of_the_team.py", DAGS / "of_the_team.py")
        stack.upload("from_elsewhere.py", DAGS / "from_elsewhere.py")
        stack.upload("of_everybody.py", DAGS / "of_everybody.py")
        yield stack
    finally:
        emulator.end(workspace)
