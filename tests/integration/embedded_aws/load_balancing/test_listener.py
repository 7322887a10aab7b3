"""The load balancer on this machine's port: listener rules, target health, streaming."""

import http.client
import json

from waiting import PATIENCE_SECONDS

from ..conftest import EmbeddedAws, eventually
from ..ecs_tasks import Ecs
from ..stack_driver import StackDriver
from ..web_server import WEB, fetch, resources

OUTPUTS = {
    "Name": {"Value": {"Fn::GetAtt": ["Balancer", "DNSName"]}},
    "Targets": {"Value": {"Ref": "Targets"}},
}


def test_load_balancer_sends_requests_to_healthy_tasks(ecs: Ecs, embedded_aws: EmbeddedAws) -> None:
    stack = StackDriver(embedded_aws).create(
        {"Resources": resources(ecs, f"(sleep 4; touch up) & {WEB}"), "Outputs": OUTPUTS}
    )
    assert stack.status == "CREATE_COMPLETE"
    outputs = stack.outputs
    url = embedded_aws.ui_url

    # The stack waited for the target's health, so the first request succeeds.
    assert f"http://{outputs['Name']}" == url
    status, body = fetch(f"{url}/some/path?a=b%2Fc", b"payload")
    assert status == 200
    echo = json.loads(body)
    assert echo["path"] == "/some/path?a=b%2Fc"
    assert echo["body"] == "payload"
    assert echo["headers"]["host"] == outputs["Name"]
    assert echo["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert echo["headers"]["x-forwarded-proto"] == "http"
    assert echo["headers"]["x-forwarded-port"] == outputs["Name"].split(":")[1]
    assert fetch(f"{url}/teapot/1") == (418, "by rule")

    connection = http.client.HTTPConnection(outputs["Name"], timeout=PATIENCE_SECONDS)
    connection.request("GET", "/stream")
    assert connection.getresponse().read1(10) == b"1"  # before the second part is sent
    connection.close()

    _check_replacement(ecs, embedded_aws, outputs["Targets"], f"{stack.name}-Service")


def _check_replacement(ecs: Ecs, emulator: EmbeddedAws, group: str, name: str) -> None:
    """A target that fails its checks is marked, and its task is replaced."""
    balancers = emulator.client("elbv2")

    def states() -> list[str]:
        health = balancers.describe_target_health(TargetGroupArn=group)
        return [d["TargetHealth"]["State"] for d in health["TargetHealthDescriptions"]]

    assert states() == ["healthy"]
    first = ecs.tasks_of(name)[0]["taskArn"]
    fetch(f"{emulator.ui_url}/break")
    assert "ELB health checks" in ecs.reached(first, "STOPPED")["stoppedReason"]
    eventually(lambda: states() == ["healthy"])
    assert fetch(f"{emulator.ui_url}/again")[0] == 200


def test_answer_is_503_when_no_target_is_healthy_yet(ecs: Ecs, embedded_aws: EmbeddedAws) -> None:
    without_tasks = resources(ecs, WEB)
    without_tasks["Service"]["Properties"]["DesiredCount"] = 0
    StackDriver(embedded_aws).create({"Resources": without_tasks})

    status, body = fetch(f"{embedded_aws.ui_url}/")
    assert status == 503
    assert "healthy" in body
