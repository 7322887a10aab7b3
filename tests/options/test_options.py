"""The options of security on one stack: it deploys with IAM enforced, and teams are kept apart."""

import json
from typing import Any

from transcript import Transcript

from commands import deployment, smoke
from commands.workspace import stack_name
from tests.options.conftest import TEAM, SecuredStack

# Three buckets of data, the bucket of access logs, the Fernet key, and the key that decrypts them.
KEPT = sorted([*["AWS::S3::Bucket"] * 4, "AWS::SecretsManager::Secret", "AWS::KMS::Key"])


def test_every_nested_stack_is_complete(secured: SecuredStack) -> None:
    states = {each["StackName"]: each["StackStatus"] for each in all_stacks(secured)}

    assert set(states.values()) == {"CREATE_COMPLETE"}


def test_smoke_dags_run(secured: SecuredStack) -> None:
    api = secured.api()
    smoke.wait_for_dags(secured.workspace, secured.outputs, api)
    transcript: Any = Transcript()

    runs = smoke.run_dags(api, transcript)

    assert set(runs) == set(smoke.SMOKE_DAGS)
    assert smoke.read_logs_back(secured.workspace, secured.outputs, api, runs) > 0


def test_key_of_the_stack_encrypts_what_holds_data(secured: SecuredStack) -> None:
    aws, outputs = secured.workspace.client, secured.outputs
    key = aws("kms").describe_key(KeyId=secured.resources("SecretsStack")["Key"])["KeyMetadata"][
        "Arn"
    ]

    for name in ("DagBucketName", "LogBucketName", "StateBucketName"):
        rules = aws("s3").get_bucket_encryption(Bucket=outputs[name])
        (rule,) = rules["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
    assert secured.database()["KmsKeyId"] == key
    keys = {
        group["logGroupName"]: group.get("kmsKeyId")
        for page in aws("logs").get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    }
    for nested in ("ApiServerStack", "ControlPlaneStack", "WorkerStack"):
        assert keys[secured.resources(nested)["LogGroup"]] == key


def test_task_of_the_team_has_its_own_role_and_secrets(secured: SecuredStack) -> None:
    instance = secured.finish("of_the_team")
    log = secured.log(instance, "shared with everybody")

    assert (instance["state"], instance["queue"]) == ("success", TEAM), log
    assert f"owner is {TEAM}" in log
    assert f"assumed-role/{role_of(secured, TEAM)}/" in log


def test_file_outside_the_teams_folder_fails_without_a_retry(secured: SecuredStack) -> None:
    instance = secured.finish("from_elsewhere")
    log = secured.log(instance, "Move the file to team-a/, or use another queue")

    assert (instance["state"], instance["try_number"]) == ("failed", 1), log
    assert f"owner is {TEAM}" not in log


def test_task_of_another_queue_reads_nothing_of_the_team(secured: SecuredStack) -> None:
    instance = secured.finish("of_everybody")
    log = secured.log(instance, "queue: ")

    assert instance["state"] == "success", log
    assert f"assumed-role/{role_of(secured, 'default')}/" in log
    assert "shared with everybody" in log
    assert "owner is unknown" in log
    assert "secret: An error occurred (AccessDenied" in log
    assert "queue: An error occurred (AccessDenied" in log


def test_delete_keeps_only_what_it_names(secured: SecuredStack) -> None:
    outputs = secured.outputs
    buckets = {outputs[name] for name in ("DagBucketName", "LogBucketName", "StateBucketName")}

    kept = deployment.delete(secured.workspace)

    assert {each for each in kept if each.startswith("AWS::S3::Bucket ")} >= {
        f"AWS::S3::Bucket {bucket}" for bucket in buckets
    }
    assert sorted(each.split()[0] for each in kept) == KEPT
    assert deployment.all_stacks(secured.workspace) == []


def all_stacks(secured: SecuredStack) -> list[dict[str, Any]]:
    """The root stack and its nested stacks."""
    return [
        each
        for each in deployment.all_stacks(secured.workspace)
        if each["StackName"].startswith(stack_name())
    ]


def role_of(secured: SecuredStack, queue: str) -> str:
    """The name of the task role of a queue's workers."""
    arns: dict[str, str] = json.loads(secured.outputs["WorkerTaskRoleArns"])
    return arns[queue].rsplit("/", 1)[-1]
