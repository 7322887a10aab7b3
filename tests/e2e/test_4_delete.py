"""Deletion: the stack keeps only what a policy retains, and `make down` ends every process."""

import psutil

from commands import deployment, emulator
from commands.workspace import local_profile, stack_name
from tests.e2e.conftest import Deployed


def test_delete_keeps_only_what_it_names(deployed: Deployed):
    aws = deployed.workspace.client
    buckets = {
        deployed.outputs[name] for name in ("DagBucketName", "LogBucketName", "StateBucketName")
    }
    fernet_key = _secret_of(deployed, "AIRFLOW__CORE__FERNET_KEY")

    kept = deployment.delete(deployed.workspace)

    assert kept == {
        *(f"AWS::S3::Bucket {bucket}" for bucket in buckets),
        f"AWS::SecretsManager::Secret {fernet_key}",
    }
    assert aws("secretsmanager").get_secret_value(SecretId=fernet_key)["SecretString"]
    assert deployment.all_stacks(deployed.workspace) == []
    assert aws("ecs").list_clusters()["clusterArns"] == []
    assert aws("lambda").list_functions()["Functions"] == []
    assert aws("sqs").list_queues().get("QueueUrls", []) == []
    assert aws("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert aws("rds").describe_db_instances()["DBInstances"] == []
    assert aws("scheduler").list_schedules()["Schedules"] == []
    assert aws("cloudwatch").describe_alarms()["MetricAlarms"] == []
    left = {bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]}
    # SAM uploads to a bucket that no stack owns.
    uploads = local_profile()["s3_bucket"]
    assert {b for b in left if b.startswith(stack_name())} == {*buckets, uploads}


def _secret_of(deployed: Deployed, variable: str) -> str:
    """The secret from which the scheduler gets this variable."""
    described = deployed.workspace.client("ecs").describe_task_definition(
        taskDefinition=f"{stack_name()}-control-plane"
    )
    containers = described["taskDefinition"]["containerDefinitions"]
    (container,) = [each for each in containers if each["name"] == "scheduler"]
    (arn,) = [one["valueFrom"] for one in container["secrets"] if one["name"] == variable]
    return str(arn)


def test_down_ends_every_process(deployed: Deployed):
    done = deployed.machine.make("down")
    assert done.returncode == 0, done.stdout
    assert "none are left" in done.stdout
    assert emulator.processes(deployed.workspace) == []
    # Not only by our own marker: no process names the state folder or uses a port.
    folder = str(deployed.workspace.state_dir)
    ports = {
        deployed.workspace.aws_port,
        deployed.workspace.ui_port,
        deployed.workspace.database_port,
    }
    for process in psutil.process_iter():
        try:
            assert folder not in " ".join(process.cmdline())
        except psutil.Error:
            continue
    connections = psutil.net_connections("tcp")
    listening = {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
    assert not ports & listening


def test_down_does_nothing_when_nothing_runs(deployed: Deployed):
    done = deployed.machine.make("down")
    assert done.returncode == 0
    assert "Nothing was running" in done.stdout
