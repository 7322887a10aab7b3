"""The doctor finds each planted fault, and nothing in a healthy deployment.

All faults are planted in one deployment, and one call has to find them. Each is then a test.
"""

import json
import time
from typing import Any

import pytest

from contracts.release_manifest import Exclusion
from contracts.release_reports import ExclusionReport, ImportErrorReport, ImportFailure
from contracts.upgrade_notes import QUIESCED_KEY, QuiescedNote
from tests.integration.embedded_aws.conftest import eventually

from .conftest import IMAGES, NAME, RELEASE, Patient, start, subnet

ROLE = "WorkerStack/TaskRole"
AGENT = "CommandStack/ExecutionRole"


def stopped_service(patient: Patient) -> None:
    ecs = patient.client("ecs")
    ecs.update_service(cluster=NAME, service="ApiServerService", desiredCount=0)


def service_without_tasks(patient: Patient) -> None:
    start(patient, "TriggererService", "sleep 1", image="local/no-such-image:1")


def unhealthy_task(patient: Patient) -> None:
    ecs = patient.client("ecs")
    check = {"command": ["CMD-SHELL", "exit 1"], "interval": 5, "retries": 1, "startPeriod": 0}
    definition = ecs.register_task_definition(
        family=f"{NAME}-hung",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[
            {
                "name": "main",
                "image": "local/sh:1",
                "command": ["sleep 3600"],
                "healthCheck": check,
            }
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    task = ecs.run_task(
        cluster=NAME,
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    )["tasks"][0]["taskArn"]

    def is_unhealthy() -> bool:
        found = ecs.describe_tasks(cluster=NAME, tasks=[task])["tasks"][0]
        return bool(found["healthStatus"] == "UNHEALTHY")

    eventually(is_unhealthy)


def services_paused_for_a_schema_change(patient: Patient) -> None:
    patient.put("StateBucket", QUIESCED_KEY, QuiescedNote("task", {"a": 1, "b": 2}).to_bytes())


def database_without_backups(patient: Patient) -> None:
    patient.client("rds").modify_db_instance(
        DBInstanceIdentifier=patient.id("DatabaseStack/Database"),
        BackupRetentionPeriod=0,
        ApplyImmediately=True,
    )


def stopped_database(patient: Patient) -> None:
    patient.client("rds").stop_db_instance(
        DBInstanceIdentifier=patient.id("DatabaseStack/Database")
    )


def missing_queue(patient: Patient) -> None:
    patient.client("sqs").delete_queue(QueueUrl=patient.queue_url(f"{NAME}-queue-heavy"))


def short_visibility(patient: Patient) -> None:
    patient.client("sqs").set_queue_attributes(
        QueueUrl=patient.queue_url(f"{NAME}-queue-default"), Attributes={"VisibilityTimeout": "30"}
    )


def dead_letter(patient: Patient) -> None:
    url = patient.id("QueuesStack/WorkerDeadLetterQueue")
    patient.client("sqs").send_message(QueueUrl=url, MessageBody="{}")


def paused_fleet_with_waiting_tasks_and_dying_workers(patient: Patient) -> None:
    url = patient.queue_url(f"{NAME}-queue-default")
    patient.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    state = {"paused": True, "deaths": [time.time() - 60] * 4}
    patient.put("StateBucket", "fleet/default/state.json", state)


def silent_dag_processor(patient: Patient) -> None:
    bucket = patient.id("StorageStack/DagBucket")
    patient.client("s3").delete_object(Bucket=bucket, Key="releases/in-use.json")


def file_that_cannot_be_imported(patient: Patient) -> None:
    report = ImportErrorReport(RELEASE, 1, (ImportFailure("orders.py", "ImportError"),))
    patient.put("DagBucket", f"releases/{RELEASE}.import-errors.json", report.to_bytes())


def file_that_stays_out(patient: Patient) -> None:
    report = ExclusionReport(RELEASE, (Exclusion("mail.py", "it does not compile"),))
    patient.put("DagBucket", f"releases/{RELEASE}.exclusions.json", report.to_bytes())


def lost_policy_of_workers(patient: Patient) -> None:
    patient.client("iam").delete_role_policy(RoleName=patient.id(ROLE), PolicyName="run")


def lost_policies_of_the_agent(patient: Patient) -> None:
    iam, role = patient.client("iam"), patient.id(AGENT)
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=name)


def quota_that_is_used_up(patient: Patient) -> None:
    file = patient.aws.state_dir / "service-quotas.json"
    file.write_text(json.dumps({"fargate/L-3032A538": 1}))


def small_subnet(patient: Patient) -> None:
    patient.configure(f"{NAME}-doctor", SUBNET_IDS=subnet(patient, "10.0.1.0/28"))


def removed_image(patient: Patient) -> None:
    patient.client("ecr").batch_delete_image(repositoryName=IMAGES, imageIds=[{"imageTag": "1"}])


def secret_that_is_being_deleted(patient: Patient) -> None:
    patient.client("secretsmanager").delete_secret(SecretId=patient.id("SecretsStack/JwtSecret"))


def missing_secret(patient: Patient) -> None:
    patient.client("secretsmanager").delete_secret(
        SecretId=patient.id("SecretsStack/SessionKeySecret"), ForceDeleteWithoutRecovery=True
    )


def deleted_certificate(patient: Patient) -> None:
    patient.client("acm").delete_certificate(CertificateArn=patient.certificate)


def alarm(patient: Patient) -> None:
    cloudwatch = patient.client("cloudwatch")
    own = patient.id("NotificationsStack/NotificationTopic")
    # The last one wakes the scaler, and so notifies nobody.
    actions = {
        f"{NAME}-launches-failed": [own],
        f"{NAME}-2-launches-failed": [own.replace(NAME, f"{NAME}-2")],
        f"{NAME}-queued-default": [],
    }
    for name, topics in actions.items():
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmActions=topics,
            AlarmDescription="Workers cannot be started.",
            Namespace="AirflowOnFargate",
            MetricName="WorkerLaunchesFailed",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="ignore",
        )
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")


def schema_that_is_behind(patient: Patient) -> None:
    answer = {"status": "FAILED", "exitCode": 1, "reason": "There are unapplied migrations"}
    patient.configure(f"{NAME}-run-airflow-command", ANSWER=json.dumps(answer))


# What plants a fault → the check that finds it, the level, and what it says.
FAULTS: dict[Any, tuple[str, str, str]] = {
    stopped_service: ("services", "FAIL", "ApiServerService is set to 0 tasks"),
    # ECS keeps trying.
    service_without_tasks: ("services", "WARN", "TriggererService: 0 of 1 tasks run, during a"),
    services_paused_for_a_schema_change: ("services", "WARN", "2 services are stopped"),
    unhealthy_task: ("health", "FAIL", f"A task of {NAME}-hung is unhealthy"),
    database_without_backups: ("database", "FAIL", "has no backups"),
    stopped_database: ("database", "FAIL", "The database is stop"),
    missing_queue: ("queues", "FAIL", "The queue heavy does not exist"),
    short_visibility: ("queues", "FAIL", "messages come back after 30 s"),
    dead_letter: ("queues", "WARN", "1 messages are in the dead-letter queue"),
    paused_fleet_with_waiting_tasks_and_dying_workers: (
        "queues",
        "FAIL",
        "1 tasks wait, and launches are paused\ndefault: 4 workers died within an hour",
    ),
    silent_dag_processor: ("releases", "WARN", "The dag-processor has not reported"),
    file_that_cannot_be_imported: ("releases", "WARN", "cannot be imported, first orders.py"),
    file_that_stays_out: ("releases", "WARN", f"1 files stay out of release {RELEASE}"),
    lost_policy_of_workers: ("roles", "FAIL", f"{NAME}-worker may not call sqs:ReceiveMessage on"),
    lost_policies_of_the_agent: (
        "roles",
        "FAIL",
        f"The agent that starts {NAME}-command may not call secretsmanager:GetSecretValue on",
    ),
    quota_that_is_used_up: ("Fargate quota", "FAIL", "of 1 Fargate vCPU are in use here"),
    small_subnet: ("addresses", "WARN", "The subnets have 11 free addresses for 5 workers"),
    removed_image: ("image", "FAIL", "The registry does not have the image"),
    secret_that_is_being_deleted: ("secrets", "FAIL", "is being deleted"),
    missing_secret: ("secrets", "FAIL", "does not exist"),
    deleted_certificate: ("certificate", "FAIL", "The certificate is deleted"),
    alarm: ("alarms", "FAIL", "launches-failed rings. Workers cannot be started."),
    schema_that_is_behind: ("schema", "FAIL", "There are unapplied migrations"),
}


@pytest.fixture(scope="module")
def healthy(patient: Patient) -> dict[tuple[str, str], str]:
    return patient.findings(schema=True)


@pytest.fixture(scope="module")
def found(patient: Patient, healthy: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    for plant in FAULTS:
        plant(patient)
    return patient.findings(schema=True)


def test_nothing_is_found_in_a_healthy_deployment(healthy: dict[tuple[str, str], str]) -> None:
    assert healthy == {}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found(fault: Any, found: dict[tuple[str, str], str]) -> None:
    check, level, what = FAULTS[fault]

    assert what in found.get((check, level), ""), found


def test_only_planted_faults_are_found(found: dict[tuple[str, str], str]) -> None:
    assert set(found) == {(check, level) for check, level, _ in FAULTS.values()}
    # An alarm of another stack, whose name begins alike.
    assert "other-alarm" not in found["alarms", "FAIL"]


def test_call_with_anything_else_is_refused(patient: Patient) -> None:
    answer = patient.client("lambda").invoke(
        FunctionName=f"{NAME}-doctor", Payload=json.dumps({"command": ["version"]})
    )

    assert "FunctionError" in answer
    assert "Unknown kind of event" in answer["Payload"].read().decode()
