"""The load balancer on this machine's port: listener rules, target health, streaming."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from ..conftest import EmbeddedAws, eventually
from ..ecs.test_service_resources import service, task_definition
from ..ecs_tasks import Ecs
from ..stack_driver import StackDriver

# Healthy once the file exists; /stream sends its parts one second apart.
WEB = """exec python3 -c '
import http.server, json, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.do_GET()
    def do_GET(self):
        if self.path == "/health":
            code, body = (200 if os.path.exists("up") else 503), b""
        elif self.path == "/break":
            os.remove("up"); code, body = 200, b""
        elif self.path == "/stream":
            self.send_response(200); self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"1", b"2"):
                self.wfile.write(b"1\\r\\n" + part + b"\\r\\n"); self.wfile.flush(); time.sleep(1)
            self.wfile.write(b"0\\r\\n\\r\\n"); return
        else:
            length = int(self.headers.get("Content-Length", 0))
            body = json.dumps({"path": self.path, "body": self.rfile.read(length).decode(),
                               "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
            code = 200
        self.send_response(code); self.send_header("Content-Length", str(len(body)))
        self.end_headers(); self.wfile.write(body)
http.server.ThreadingHTTPServer((sys.argv[1], 8393), Handler).serve_forever()
' $IP"""


def resources(ecs: Ecs, script: str) -> dict[str, Any]:
    forward = [{"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}}]
    fixed = {"StatusCode": "418", "ContentType": "text/plain", "MessageBody": "by rule"}
    return {
        "Balancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {"Subnets": ["subnet-1", "subnet-2"]},
        },
        "Targets": {
            "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
            "Properties": {
                "Protocol": "HTTP",
                "Port": 8393,
                "VpcId": "vpc-1",
                "TargetType": "ip",
                "HealthCheckPath": "/health",
                "HealthCheckIntervalSeconds": 5,
                "HealthCheckTimeoutSeconds": 2,
                "HealthyThresholdCount": 2,
                "UnhealthyThresholdCount": 2,
                "Matcher": {"HttpCode": "200-204"},
            },
        },
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "LoadBalancerArn": {"Ref": "Balancer"},
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": forward,
            },
        },
        "Rule": {
            "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
            "Properties": {
                "ListenerArn": {"Ref": "Listener"},
                "Priority": 1,
                "Conditions": [{"Field": "path-pattern", "Values": ["/teapot*"]}],
                "Actions": [{"Type": "fixed-response", "FixedResponseConfig": fixed}],
            },
        },
        "Definition": task_definition(
            script, Image="local/sh-with-ip:1", PortMappings=[{"ContainerPort": 8393}]
        ),
        "Service": {
            **service(
                ecs,
                LoadBalancers=[
                    {
                        "ContainerName": "main",
                        "ContainerPort": 8393,
                        "TargetGroupArn": {"Ref": "Targets"},
                    }
                ],
                HealthCheckGracePeriodSeconds=2,
            ),
            "DependsOn": "Rule",
        },
    }


OUTPUTS = {
    "Name": {"Value": {"Fn::GetAtt": ["Balancer", "DNSName"]}},
    "Targets": {"Value": {"Ref": "Targets"}},
}


def fetch(url: str, data: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, data=data, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_requests_reach_healthy_tasks_when_a_stack_has_a_load_balancer(
    ecs: Ecs, embedded_aws: EmbeddedAws
) -> None:
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

    connection = http.client.HTTPConnection(outputs["Name"], timeout=10)
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
