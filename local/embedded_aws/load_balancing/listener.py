"""The load balancer's listener on a port of this machine.

ministack evaluates listener rules and proxies to targets, but only for requests to its own
port with the load balancer's name as host. Here a second port leads straight there, requests
go to healthy targets only, and the load balancer's DNS name is that port's address.
"""

import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from ministack import app as ministack_app
from ministack.services import alb
from ministack.services.cloudformation import provisioners

from embedded_aws.ecs import engine as ecs
from embedded_aws.load_balancing import target_health
from embedded_aws.settings import Settings

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_turn = itertools.count()

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def install(settings: Settings) -> None:
    alb._forward_to_tg = _forward_to_healthy
    # The browser's port stands for the listener's: it has to stay in the Host header.
    alb._target_host_header = lambda host, listener_port: host
    _forward_the_port(settings.ui_port)
    _name_load_balancers(f"127.0.0.1:{settings.ui_port}")


def in_front_of(app: AsgiApp, settings: Settings) -> AsgiApp:
    """An application that answers the UI port itself and hands everything else to ``app``."""

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["server"][1] == settings.ui_port:
            with ecs.scope(settings):
                await _serve(scope, receive, send)
        else:
            await app(scope, receive, send)

    return front


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers: dict[str, str] = {}
    for name, value in ((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]):
        # HTTP/2 may split cookies; every other repeated field is a list.
        joint = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    query = scope["query_string"].decode("latin-1")
    response = await _dispatch(
        scope["method"],
        scope["path"],
        headers,
        bytes(body),
        query,
        scope.get("raw_path", b"").decode("latin-1") or None,
        scope["client"][0],
    )
    head = scope["method"] == "HEAD"
    await ministack_app._send_if_handled(send, response, receive, head=head)


async def _dispatch(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: str,
    raw_path: str | None,
    client: str,
) -> Any:
    listeners = list(alb._listeners.values())
    if not listeners:
        return _answer(503, "There is no load balancer with a listener yet.")
    # One port here for all of AWS's: the newest load balancer's, HTTPS before its redirect.
    newest = max(listeners, key=lambda listener: _created_time(listener["LoadBalancerArn"]))
    balancer = alb._lbs[newest["LoadBalancerArn"]]
    ports = {
        listener["Port"]
        for listener in listeners
        if listener["LoadBalancerArn"] == newest["LoadBalancerArn"]
    }
    return await alb.dispatch_request(
        balancer,
        method,
        path,
        headers,
        body,
        parse_qs(query, keep_blank_values=True),
        443 if 443 in ports else min(ports),
        client_ip=client,
        raw_query_string=query,
        raw_path=raw_path,
    )


def _created_time(load_balancer_arn: str) -> str:
    return str(alb._lbs[load_balancer_arn]["CreatedTime"])


async def _forward_to_healthy(
    group_arn: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    raw_query_string: str | None = None,
    raw_path: str | None = None,
) -> Any:
    group = alb._tgs.get(group_arn)
    if group is None:
        return _answer(502, f"Target group {group_arn} not found.")
    if group["TargetType"] == "lambda":
        return await alb._invoke_lambda_target(
            alb._targets[group_arn][0]["Id"],
            group_arn, method, path, headers, body, query_params, raw_query_string,
        )  # fmt: skip
    targets = target_health.usable_targets(group_arn)
    if not targets:
        return _answer(503, "No target is healthy yet.")
    return await alb._proxy_http_target(
        targets[next(_turn) % len(targets)],
        group, method, raw_path or path, headers, body, query_params, raw_query_string,
    )  # fmt: skip


def _answer(status: int, message: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode()


def _forward_the_port(port: int) -> None:
    """X-Forwarded-Port is the browser's too: what redirects by it would lead to a port where
    nobody listens, as Airflow does after signing in."""
    target_headers = alb._target_headers

    def target_headers_with_port(*arguments: Any, **named: Any) -> dict[str, str]:
        return {**target_headers(*arguments, **named), "x-forwarded-port": str(port)}

    alb._target_headers = target_headers_with_port


def _name_load_balancers(address: str) -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ElasticLoadBalancingV2::LoadBalancer"]
    create = handlers["create"]

    def create_with_reachable_name(
        logical_id: str, properties: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        arn, attributes = create(logical_id, properties, stack_name)
        alb._lbs[arn]["DNSName"] = address
        return arn, {**attributes, "DNSName": address}

    handlers["create"] = create_with_reachable_name
