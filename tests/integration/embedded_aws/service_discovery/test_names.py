"""Names of Cloud Map services in environments, which reach the tasks of the service."""

import urllib.error
import urllib.request
from typing import Any

from waiting import PATIENCE_SECONDS

from ..conftest import EmbeddedAws, eventually
from ..ecs_tasks import Ecs
from ..stack_driver import StackDriver

WEB = """exec python3 -c '
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (sys.argv[2] + self.path).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body)))
        self.end_headers(); self.wfile.write(body)
http.server.HTTPServer((sys.argv[1], 8392), Handler).serve_forever()
' $IP %s"""


def namespace(name: str) -> dict[str, Any]:
    return {
        "Namespace": {
            "Type": "AWS::ServiceDiscovery::PrivateDnsNamespace",
            "Properties": {"Name": name, "Vpc": "vpc-1"},
        },
        "Name": {
            "Type": "AWS::ServiceDiscovery::Service",
            "Properties": {
                "Name": "web",
                "NamespaceId": {"Ref": "Namespace"},
                "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 10}]},
            },
        },
    }


def read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            body: bytes = answer.read()
            return body.decode()
    except (urllib.error.URLError, OSError):
        return ""


def test_service_name_in_an_environment_reaches_running_tasks(
    ecs: Ecs, embedded_aws: EmbeddedAws
) -> None:
    domain = f"{ecs.name}.local"
    stack = StackDriver(embedded_aws).create(
        {
            "Resources": namespace(domain),
            "Outputs": {"Registry": {"Value": {"Fn::GetAtt": ["Name", "Arn"]}}},
        }
    )
    registry = stack.outputs["Registry"]
    reader = ecs.register(
        "env",
        image="local/env:1",
        environment=[
            {"name": "URL", "value": f"http://web.{domain}:8392/execution/"},
            {"name": "JSON", "value": f'{{"a": "web.{domain}:8392", "b": "x.web.{domain}.org:1"}}'},
            {"name": "BARE", "value": f"web.{domain}"},
        ],
    )
    environment = ecs.environment(ecs.finished(reader))

    url = environment["URL"]
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/execution/")
    host = url.split("/")[2]
    assert environment["JSON"] == f'{{"a": "{host}", "b": "x.web.{domain}.org:1"}}'
    # Without a port there is nothing to forward to.
    assert environment["BARE"] == f"web.{domain}"
    assert read(url) == ""

    old, new = (ecs.register(WEB % word, image="local/sh-with-ip:1") for word in ("old", "new"))
    ecs.create_service("web", old, count=2, serviceRegistries=[{"registryArn": registry}])
    eventually(lambda: read(url) == "old/execution/")

    ecs.api.update_service(cluster=ecs.name, service="web", taskDefinition=new)
    eventually(lambda: ecs.running("web", 2, new))
    eventually(lambda: read(url) == "new/execution/")
