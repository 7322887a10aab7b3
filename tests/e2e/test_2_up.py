"""`make up`: the templates are deployed, the real Airflow runs DAGs, logs are in the bucket."""

import json
import re

import requests
from waiting import PATIENCE_SECONDS

from commands import deployment, smoke
from commands.airflow_api import health
from tests.e2e.conftest import Deployed


def test_every_stack_is_complete(deployed: Deployed):
    stacks = deployment.all_stacks(deployed.workspace)
    assert {s["StackStatus"] for s in stacks} == {"CREATE_COMPLETE"}
    assert len(stacks) > 8


def test_every_task_runs_the_image_that_the_stack_built(deployed: Deployed):
    aws = deployed.workspace.client
    image = deployed.outputs["AirflowImageUri"]
    repository, digest = image.partition("/")[2].split("@")
    (built,) = aws("ecr").describe_images(repositoryName=repository)["imageDetails"]
    assert built["imageDigest"] == digest

    ecs = aws("ecs")
    cluster = deployed.outputs["ClusterName"]
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
    ]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    assert {each["image"] for task in tasks for each in task["containers"]} == {image}


def test_prints_the_seconds_of_each_step(deployed: Deployed):
    summary = deployed.transcript.split("\n  total")[0]
    for step in ("sam build", "sam deploy", "Run the smoke DAGs", "Read the task logs back"):
        assert re.search(rf"{step}.*\d+\.\d s", summary), step
    assert "Airflow is at http://localhost:" in deployed.transcript


def test_ui_responds_and_every_component_is_healthy(deployed: Deployed):
    assert set(health(deployed.outputs["AirflowUrl"]).values()) == {"healthy"}
    page = requests.get(deployed.outputs["AirflowUrl"], timeout=PATIENCE_SECONDS)
    assert page.ok
    assert "Airflow" in page.text


def test_all_smoke_dags_ran_on_the_published_release(deployed: Deployed):
    api = deployed.api()
    printed = re.search(r"files uploaded, release (\S+)", deployed.transcript)
    assert printed
    for dag_id in smoke.SMOKE_DAGS:
        runs = api.get(f"dags/{dag_id}/dagRuns")["dag_runs"]
        assert [run["state"] for run in runs] == ["success"]
        assert runs[0]["bundle_version"] == printed[1]


def test_mapped_dag_ran_fifty_items(deployed: Deployed):
    api = deployed.api()
    run = api.get("dags/smoke_mapped/dagRuns")["dag_runs"][0]
    mapped = [
        t for t in api.task_instances("smoke_mapped", run["dag_run_id"]) if t["map_index"] >= 0
    ]
    assert len(mapped) == 50
    assert {t["state"] for t in mapped} == {"success"}


def test_load_balancer_hides_the_execution_api(deployed: Deployed):
    answer = requests.get(
        f"{deployed.outputs['AirflowUrl']}/execution/health", timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 404


def test_no_task_definition_or_output_contains_a_secret_value(deployed: Deployed):
    aws = deployed.workspace.client
    listed = aws("secretsmanager").list_secrets()["SecretList"]
    values = {
        aws("secretsmanager").get_secret_value(SecretId=s["ARN"])["SecretString"]
        for s in listed
        if not s["Name"].startswith(deployed.outputs["SecretsPrefix"] + "/variables")
    }
    ecs = aws("ecs")
    definitions = [
        ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        for arn in ecs.list_task_definitions()["taskDefinitionArns"]
    ]
    functions = aws("lambda").list_functions()["Functions"]
    shown = json.dumps([definitions, functions, deployed.outputs], default=str)
    assert definitions
    assert [value for value in values if value in shown] == []


def test_workers_exit_when_the_queue_is_empty(deployed: Deployed):
    ecs = deployed.workspace.client("ecs")
    cluster = deployed.outputs["ClusterName"]

    def worker_tasks(status: str) -> list[dict]:
        arns = ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return [t for t in tasks if "worker" in t["taskDefinitionArn"].lower()]

    smoke.wait_until(
        lambda: not worker_tasks("RUNNING"), PATIENCE_SECONDS, "the end of the last worker"
    )
    ended = worker_tasks("STOPPED")
    assert ended
    assert {t["containers"][0]["exitCode"] for t in ended} == {0}


def test_second_up_changes_nothing_when_everything_runs(deployed: Deployed):
    before = _update_times(deployed)
    tasks = deployed.service_tasks()

    done = deployed.machine.make("up")

    assert done.returncode == 0, done.stdout
    assert "is already deployed from these sources" in done.stdout
    after = _update_times(deployed)
    assert after == before
    assert deployed.service_tasks() == tasks


def test_env_exports_point_a_client_to_the_stack(deployed: Deployed):
    done = deployed.machine.make("env")
    assert done.returncode == 0, done.stdout
    for name, value in {
        "AWS_ENDPOINT_URL": deployed.workspace.endpoint,
        "DAG_BUCKET_NAME": deployed.outputs["DagBucketName"],
        "AIRFLOW_URL": deployed.outputs["AirflowUrl"],
    }.items():
        assert f"export {name}={value}\n" in done.stdout


def test_status_shows_stacks_tasks_and_health(deployed: Deployed):
    done = deployed.machine.make("status")
    assert done.returncode == 0, done.stdout
    assert "CREATE_COMPLETE" in done.stdout
    assert re.search(r"scheduler\s+healthy", done.stdout)


def _update_times(deployed: Deployed) -> dict[str, object]:
    stacks = deployment.all_stacks(deployed.workspace)
    return {stack["StackId"]: stack.get("LastUpdatedTime") for stack in stacks}
