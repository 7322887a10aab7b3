"""The smoke test: upload dags/, run the four DAGs, read their logs back from the log bucket."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from commands.airflow_api import AirflowApi, health
from commands.steps import Steps, wait_until
from commands.workspace import ROOT, CommandError, Workspace

# Runs alone, so that its success comes as early as possible.
FIRST_DAG = "smoke_classic"
OTHER_DAGS = ("smoke_mapped", "smoke_deferrable", "smoke_secrets")
SMOKE_DAGS = (FIRST_DAG, *OTHER_DAGS)
COMPONENTS = {"metadatabase", "scheduler", "triggerer", "dag_processor"}
SAMPLE_SECRETS = {
    "variables/smoke_greeting": "hello from Secrets Manager",
    "connections/smoke_http": json.dumps({"conn_type": "http", "host": "example.com"}),
}


def sign_in(workspace: Workspace, outputs: dict[str, str]) -> AirflowApi:
    """The API, signed in with the generated password of the stack's secret."""
    secret = workspace.client("secretsmanager").get_secret_value(
        SecretId=outputs["AdminPasswordSecretArn"]
    )
    url = outputs["AirflowUrl"]
    password = secret["SecretString"]
    return AirflowApi(url, outputs["AdminUsername"], password, workspace.ca_file_for(url))


def wait_healthy(
    outputs: dict[str, str], timeout: float = 600, ca_file: Path | None = None
) -> None:
    """Wait until the UI answers and reports every component as healthy."""
    url = outputs["AirflowUrl"]
    found: dict[str, str] = {}

    def healthy() -> bool:
        found.clear()
        found.update(health(url, ca_file))
        return set(found) >= COMPONENTS and set(found.values()) == {"healthy"}

    try:
        wait_until(healthy, timeout, "a healthy Airflow", now=lambda: _listed(found))
    except TimeoutError as error:
        raise CommandError(f"{error}: {_listed(found)}") from None


def _listed(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {state}" for name, state in sorted(found.items())) or "no answer"


def create_sample_secrets(workspace: Workspace, outputs: dict[str, str]) -> None:
    """The Variable and the Connection that smoke_secrets reads, unless they exist."""
    client = workspace.client("secretsmanager")
    for name, value in SAMPLE_SECRETS.items():
        try:
            client.create_secret(Name=f"{outputs['SecretsPrefix']}/{name}", SecretString=value)
        except client.exceptions.ResourceExistsException:
            continue


def upload_dags(workspace: Workspace, outputs: dict[str, str]) -> int:
    """Copy dags/ to the bucket as `aws s3 sync` would; returns how many files changed."""
    s3 = workspace.client("s3")
    bucket = outputs["DagBucketName"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="dags/").get("Contents", [])
    there = {entry["Key"]: entry["ETag"].strip('"') for entry in listed}
    changed = 0
    for path in sorted((ROOT / "dags").rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        key = f"dags/{path.relative_to(ROOT / 'dags').as_posix()}"
        body = path.read_bytes()
        if there.get(key) != hashlib.md5(body, usedforsecurity=False).hexdigest():
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            changed += 1
    return changed


def wait_for_dags(
    workspace: Workspace,
    outputs: dict[str, str],
    api: AirflowApi,
    dag_ids: Sequence[str] = SMOKE_DAGS,
    timeout: float = 600,
) -> str:
    """Wait until Airflow shows these DAGs of the current release; returns the release."""
    s3 = workspace.client("s3")
    bucket = outputs["DagBucketName"]
    expected = {
        f"dags/{p.relative_to(ROOT / 'dags').as_posix()}" for p in (ROOT / "dags").rglob("*.py")
    }

    def release() -> str:
        try:
            pointer = s3.get_object(Bucket=bucket, Key="releases/current.json")["Body"].read()
        except ClientError:
            return ""
        return str(json.loads(pointer)["release"])

    def shown() -> str:
        current = release()
        dags = api.dags()
        versions = {dags[dag_id].get("bundle_version") for dag_id in dag_ids if dag_id in dags}
        complete = all(dag_id in dags for dag_id in dag_ids)
        return current if current and complete and versions == {current} else ""

    what = f"{', '.join(dag_ids)} ({len(expected)} files in all)"
    try:
        return str(wait_until(shown, timeout, what))
    except TimeoutError as error:
        raise CommandError(
            f"{error}. Current release: {release() or 'none'}. DAGs: {sorted(api.dags())}. "
            f"Import errors: {api.import_errors()}"
        ) from None


def run_dags(
    api: AirflowApi,
    steps: Steps,
    dag_ids: Sequence[str] = SMOKE_DAGS,
    timeout: float = 1200,
) -> dict[str, str]:
    """Run these DAGs in parallel to their end; returns the run ids.

    Raises:
        CommandError: a run failed or did not end; with the states of its tasks.
    """
    runs = {dag_id: api.trigger(dag_id) for dag_id in dag_ids}
    waiting = dict(runs)
    begun = time.monotonic()

    def ended() -> bool:
        for dag_id, run_id in list(waiting.items()):
            state = api.run(dag_id, run_id)["state"]
            if state == "failed":
                raise CommandError(f"{dag_id} failed: {_states(api, dag_id, run_id)}")
            if state == "success":
                del waiting[dag_id]
                steps.detail(f"{dag_id:<18} success after {time.monotonic() - begun:.1f} s")
        return not waiting

    try:
        wait_until(
            ended, timeout, "the end of the runs", interval=0.5,
            now=lambda: f"still running: {', '.join(waiting)}",
        )  # fmt: skip
    except TimeoutError as error:
        states = {d: _states(api, d, r) for d, r in waiting.items()}
        raise CommandError(f"{error}. Still running: {states}") from None
    return runs


def read_logs_back(
    workspace: Workspace, outputs: dict[str, str], api: AirflowApi, runs: dict[str, str]
) -> int:
    """Read every task's log through the API and check that it is in the log bucket.

    Returns the number of logs read.

    Raises:
        CommandError: a log is missing in the bucket or empty in the API.
    """
    instances = [t for dag_id, run_id in runs.items() for t in api.task_instances(dag_id, run_id)]

    def missing() -> list[str]:
        keys = _log_keys(workspace, outputs["LogBucketName"])
        expected = [_log_marks(instance) for instance in instances]
        return [
            " ".join(marks)
            for marks in expected
            if not any(all(mark in key for mark in marks) for key in keys)
        ]

    try:
        # A worker uploads a log after the task has ended, so the last one may be late.
        wait_until(lambda: not missing(), 300, "the last log in the bucket")
    except TimeoutError:
        raise CommandError(f"These logs are not in the bucket: {missing()}") from None
    for instance in instances:
        if not api.log(instance):
            raise CommandError(f"The API returned an empty log for {_log_marks(instance)}.")
    return len(instances)


def _log_keys(workspace: Workspace, bucket: str) -> list[str]:
    pages = workspace.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=bucket, Prefix="logs/")
    return [entry["Key"] for page in found for entry in page.get("Contents", [])]


def _log_marks(instance: dict[str, Any]) -> list[str]:
    """The parts of the key of a task instance's log."""
    marks = [
        f"dag_id={instance['dag_id']}/",
        f"run_id={instance['dag_run_id']}/",
        f"task_id={instance['task_id']}/",
    ]
    return [*marks, f"map_index={instance['map_index']}/"] if instance["map_index"] >= 0 else marks


def _states(api: AirflowApi, dag_id: str, run_id: str) -> dict[str, Any]:
    return {
        f"{t['task_id']}[{t['map_index']}]": t["state"] for t in api.task_instances(dag_id, run_id)
    }
