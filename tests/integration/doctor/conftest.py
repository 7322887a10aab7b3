"""The doctor as it is deployed, with its role, on an embedded AWS with parts of the real stack.

Roles, queues, buckets, secrets, task definitions, database and the function are those of the
templates. The services are two shells.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.release_manifest import ReleasePointer
from contracts.release_reports import InUseReport
from tests.integration.embedded_aws.conftest import EmbeddedAws, eventually, running_embedded_aws
from tests.integration.embedded_aws.ecr.conftest import Repository
from tests.integration.embedded_aws.stack_driver import BUCKET, StackDriver, zipped

REPOSITORY = Path(__file__).parents[3]
NAME = "patient"
RELEASE = "20261128T030405Z-0123456789"
IMAGES = "patient-image"
DOMAIN = "airflow.example.com"
# In place of the function that runs commands.
COMMANDS = """
import json, os
def handler(event, context):
    return json.loads(os.environ.get("ANSWER") or '{"status": "SUCCEEDED", "exitCode": 0}')
"""


@dataclass(frozen=True)
class Patient:
    """The deployment, and the calls with which tests prepare it."""

    aws: EmbeddedAws
    resources: Any
    certificate: str

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def id(self, path: str) -> str:
        found: str = self.resources.id(path)
        return found

    def put(self, bucket: str, key: str, content: bytes | dict[str, Any]) -> None:
        body = json.dumps(content).encode() if isinstance(content, dict) else content
        name = self.id(f"StorageStack/{bucket}")
        self.client("s3").put_object(Bucket=name, Key=key, Body=body)

    def queue_url(self, name: str) -> str:
        found: str = self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        return found

    def configure(self, function: str, **changes: str) -> None:
        """Change variables of a function."""
        lambda_ = self.client("lambda")
        before = lambda_.get_function_configuration(FunctionName=function)["Environment"]
        lambda_.update_function_configuration(
            FunctionName=function, Environment={"Variables": {**before["Variables"], **changes}}
        )

    def findings(self, **event: Any) -> dict[tuple[str, str], str]:
        """Check and level → what, of everything that is not well."""
        answer = self.client("lambda").invoke(
            FunctionName=f"{NAME}-doctor", Payload=json.dumps(event)
        )
        found = json.loads(answer["Payload"].read())
        assert "findings" in found, found
        wrong = [each for each in found["findings"] if each["level"] != "OK"]
        levels = {"OK": 0, "WARN": 1, "FAIL": 2}
        assert found["exitCode"] == max([0, *(levels[each["level"]] for each in wrong)])
        assert all(each["next"] for each in wrong)
        result: dict[tuple[str, str], str] = {}
        for each in wrong:
            key = (each["check"], each["level"])
            result[key] = f"{result[key]}\n{each['what']}" if key in result else each["what"]
        return result


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    with running_embedded_aws(tmp_path_factory.mktemp("doctor")) as aws:
        yield _healthy(aws, _bundle(tmp_path_factory.mktemp("bundle")))


def _healthy(aws: EmbeddedAws, bundle: bytes) -> Patient:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName=IMAGES)
    digest = Repository(ecr, IMAGES).push("1")
    certificate = aws.client("acm").request_certificate(DomainName=DOMAIN)["CertificateArn"]
    image = f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{IMAGES}@{digest}"
    patient = Patient(aws, _deployed(StackDriver(aws), bundle, image, certificate), certificate)
    patient.configure(f"{NAME}-doctor", SUBNET_IDS=subnet(patient, "10.0.0.0/24"))
    patient.client("ecs").create_cluster(clusterName=NAME)
    for service in ("ApiServerService", "ControlPlaneService"):
        start(patient, service, "sleep 3600")
    patient.put("DagBucket", "releases/current.json", ReleasePointer(RELEASE, _now()).to_bytes())
    patient.put("DagBucket", "releases/in-use.json", InUseReport({RELEASE: None}).to_bytes())

    def runs() -> bool:
        found = patient.client("ecs").describe_services(
            cluster=NAME, services=["ApiServerService", "ControlPlaneService"]
        )["services"]
        return all(each["runningCount"] == 1 for each in found)

    eventually(runs)
    return patient


def start(patient: Patient, service: str, script: str, count: int = 1, **container: Any) -> str:
    """A service of a shell; returns its task definition."""
    ecs = patient.client("ecs")
    definition: str = ecs.register_task_definition(
        family=f"{NAME}-{service.lower()}",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[
            {"name": "main", "image": "local/sh:1", "command": [script], **container}
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster=NAME,
        serviceName=service,
        taskDefinition=definition,
        desiredCount=count,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    )
    return definition


def subnet(patient: Patient, block: str) -> str:
    ec2 = patient.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    found: str = ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]
    return found


def _deployed(stacks: StackDriver, bundle: bytes, image: str, certificate: str) -> Any:
    sys.path.insert(0, str(REPOSITORY / "tests" / "templates" / "support"))
    from tests.attacks.reduced_stack import KEPT, ReducedStack

    def code(content: bytes) -> dict[str, str]:
        return {"S3Bucket": BUCKET, "S3Key": stacks.upload(content).rsplit("/", 1)[-1]}

    doctor, commands = code(bundle), code(zipped({"main.py": COMMANDS}))

    class Parts(ReducedStack):
        kept = KEPT | {"AWS::RDS::DBInstance", "AWS::SNS::Topic"}

        def replace(self, kind: str, properties: dict[str, Any]) -> None:
            super().replace(kind, properties)
            handler = str(properties.get("Handler"))
            if handler.startswith("doctor."):
                properties["Code"] = doctor
            elif handler.startswith("run_airflow_command."):
                properties |= {"Code": commands, "Handler": "main.handler"}
            if kind == "AWS::RDS::DBInstance":
                for name in ("DBSubnetGroupName", "VPCSecurityGroups", "DBParameterGroupName"):
                    properties.pop(name, None)

    return Parts(
        stacks,
        NAME,
        WorkerQueueNames="heavy",
        AirflowImageUri=image,
        DomainName=DOMAIN,
        CertificateArn=certificate,
    )


def _bundle(artifacts: Path) -> bytes:
    """The function as `sam build` makes it."""
    subprocess.run(
        ["make", "-s", "build-DoctorFunction", f"ARTIFACTS_DIR={artifacts}"],
        cwd=REPOSITORY / "functions",
        env={**os.environ, "PYTHON": os.environ.get("PYTHON", "python3")},
        check=True,
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(artifacts.rglob("*")):
            archive.write(path, path.relative_to(artifacts))
    return buffer.getvalue()


def _now() -> str:
    return datetime.now(UTC).isoformat()
