"""Certificates of a template, and TLS with them on the HTTPS port."""

import socket
import ssl
import time
import uuid
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

from ..conftest import EmbeddedAws
from ..ecs_tasks import Ecs
from ..stack_driver import StackDriver, deploy
from ..web_server import WEB, fetch, resources

NAME = "airflow.example.com"


@pytest.fixture
def zone_id(embedded_aws: EmbeddedAws) -> str:
    answer = embedded_aws.client("route53").create_hosted_zone(
        Name="example.com", CallerReference=uuid.uuid4().hex
    )
    return str(answer["HostedZone"]["Id"].rsplit("/", 1)[-1])


def certificate(zone_id: str | None, name: str = NAME, **changes: Any) -> dict[str, Any]:
    validation = [{"DomainName": name, "HostedZoneId": zone_id}] if zone_id else []
    return {
        "Type": "AWS::CertificateManager::Certificate",
        "Properties": {
            "DomainName": name,
            "ValidationMethod": "DNS",
            "DomainValidationOptions": validation,
            **changes,
        },
    }


def test_certificate_is_issued_when_its_hosted_zone_exists(
    stacks: StackDriver, zone_id: str
) -> None:
    stack = deploy(stacks, {"Certificate": certificate(zone_id)}, Arn={"Ref": "Certificate"})

    assert stack.outputs["Arn"].startswith("arn:aws:acm:us-east-1:")


@pytest.mark.parametrize(
    ("zone", "changes", "reason"),
    [
        (None, {}, "no HostedZoneId"),
        ("Z0000000000000", {}, "NoSuchHostedZone"),
        ("own", {"name": "airflow.example.org"}, "cannot hold the record"),
        ("own", {"ValidationMethod": "EMAIL"}, "validated by e-mail"),
    ],
)
def test_certificate_that_would_never_be_issued_is_refused(
    stacks: StackDriver, zone_id: str, zone: str | None, changes: dict[str, Any], reason: str
) -> None:
    resource = certificate(zone_id if zone == "own" else zone, **changes)

    stack = stacks.create({"Resources": {"Certificate": resource}})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Certificate"]


def https_listener(certificate_arn: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": {"Ref": "Balancer"},
            "Port": 443,
            "Protocol": "HTTPS",
            "Certificates": [{"CertificateArn": certificate_arn}],
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}}],
        },
    }


def test_https_listener_answers_on_the_https_port_and_http_redirects_to_it(
    ecs: Ecs, stacks: StackDriver, embedded_aws: EmbeddedAws, zone_id: str
) -> None:
    template = resources(ecs, f"touch up; {WEB}")
    template["Certificate"] = certificate(zone_id)
    template["Secure"] = https_listener({"Ref": "Certificate"})
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    template["Listener"]["Properties"]["DefaultActions"] = [
        {"Type": "redirect", "RedirectConfig": redirect}
    ]
    template["Service"]["DependsOn"] = ["Rule", "Secure"]
    stack = deploy(stacks, template)

    url = embedded_aws.https_url
    status, body = fetch(f"{url}/path", ca_file=embedded_aws.ca_file)
    assert status == 200
    assert '"x-forwarded-proto": "https"' in body
    assert f'"x-forwarded-port": "{embedded_aws.config["https_port"]}"' in body
    assert fetch(f"{embedded_aws.ui_url}/path") == (301, f"{url}/path")
    # A client that asks for the domain's name gets a certificate for that name.
    assert NAME in _names_of_certificate(embedded_aws, NAME)
    assert "localhost" in _names_of_certificate(embedded_aws, "localhost")
    stacks.delete(stack)


def _names_of_certificate(emulator: EmbeddedAws, name: str) -> list[str]:
    context = ssl.create_default_context(cafile=emulator.ca_file)
    address = ("127.0.0.1", emulator.config["https_port"])
    with (
        socket.create_connection(address, timeout=PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        found = secure.getpeercert()
    assert found is not None
    assert ssl.cert_time_to_seconds(str(found["notAfter"])) > time.time()
    return [str(value) for _, value in found["subjectAltName"]]


def test_https_listener_is_refused_when_its_certificate_does_not_exist(
    ecs: Ecs, stacks: StackDriver
) -> None:
    arn = "arn:aws:acm:us-east-1:000000000000:certificate/none"
    template = resources(ecs, WEB)
    del template["Service"]
    template["Secure"] = https_listener(arn)

    stack = stacks.create({"Resources": template})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "CertificateNotFound" in stacks.failures(stack)["Secure"]
