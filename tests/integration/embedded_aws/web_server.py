"""A web server behind a load balancer, for the tests of everything in front of it."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from waiting import PATIENCE_SECONDS

from .ecs.test_service_resources import service, task_definition
from .ecs_tasks import Ecs

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


def fetch(
    url: str, data: bytes | None = None, ca_file: Path | None = None, **headers: str
) -> tuple[int, str]:
    """Status and body; redirects are not followed."""
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    opener = urllib.request.build_opener(
        NoRedirects(), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(
            urllib.request.Request(url, data, sent), timeout=PATIENCE_SECONDS
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location") or error.read().decode()


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
