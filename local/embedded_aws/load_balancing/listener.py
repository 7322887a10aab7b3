"""The load balancer's listeners on ports of this machine.

ministack evaluates listener rules and proxies to targets, but only for requests to its own
port with the load balancer's name as host. Here other ports lead straight there (see front),
requests go to healthy targets only, and the load balancer's DNS name is the UI port's address.
"""

import contextvars
import itertools
import re
import time
from dataclasses import dataclass
from typing import Any

from ministack.services import alb
from ministack.services.cloudformation import provisioners

from embedded_aws.http_request import Request, Response, answer
from embedded_aws.load_balancing import answers, target_health
from embedded_aws.settings import Settings

HTTP = "HTTP"
HTTPS = "HTTPS"

_turn = itertools.count()
# The port that the browser has connected to, where it stands for a listener's port.
_browser_port: contextvars.ContextVar[int | None] = contextvars.ContextVar(
    "browser_port", default=None
)
# ministack's CreatedTime has whole seconds only.
_created: dict[str, float] = {}


def install(settings: Settings) -> None:
    alb._forward_to_tg = _forward_to_healthy
    # The browser's port stands for the listener's: it has to stay in the Host header.
    alb._target_host_header = lambda host, listener_port: host
    _forward_the_port()
    _redirect_to_a_port_of_this_machine(settings)
    _name_load_balancers(f"localhost:{settings.ui_port}")


@dataclass(frozen=True)
class Balancer:
    """A load balancer with at least one listener."""

    arn: str
    created: float
    protocols: frozenset[str]

    async def answer(
        self,
        request: Request,
        protocol: str,
        browser_port: int | None = None,
        port: int | None = None,
    ) -> Response:
        """What the listener of a protocol answers, or the one of a port."""
        listeners = [
            one
            for one in alb._listeners.values()
            if one["LoadBalancerArn"] == self.arn
            and one["Protocol"] == protocol
            and (port is None or one["Port"] == port)
        ]
        if not listeners:
            return answer(502, f"The load balancer has no {protocol} listener on port {port}.")
        token = _browser_port.set(browser_port)
        begun = time.monotonic()
        try:
            response: Response = await alb.dispatch_request(
                alb._lbs[self.arn],
                request.method,
                request.path,
                request.headers,
                request.body,
                request.query_parameters,
                min(one["Port"] for one in listeners),
                client_ip=request.client,
                raw_query_string=request.query,
                raw_path=request.raw_path,
            )
        finally:
            _browser_port.reset(token)
        # A target's answer is streamed; what the load balancer says itself is text.
        answers.count(
            self.arn,
            response[0],
            is_of_target=not isinstance(response[2], bytes | str),
            seconds=time.monotonic() - begun,
        )
        return response


def newest(protocol: str | None = None) -> Balancer | None:
    """The newest load balancer that has a listener, of that protocol if one is given.

    A machine has one port for all load balancers: it belongs to the newest.
    """
    protocols: dict[str, set[str]] = {}
    for one in list(alb._listeners.values()):
        protocols.setdefault(one["LoadBalancerArn"], set()).add(one["Protocol"])
    found = [
        Balancer(arn, _created.get(arn, 0), frozenset(names))
        for arn, names in protocols.items()
        if protocol is None or protocol in names
    ]
    return max(found, key=lambda balancer: balancer.created, default=None)


def balancer_with(arn: str) -> Balancer | None:
    names = {one["Protocol"] for one in alb._listeners.values() if one["LoadBalancerArn"] == arn}
    return Balancer(arn, _created.get(arn, 0), frozenset(names)) if names else None


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
        return answer(502, f"Target group {group_arn} not found.")
    if group["TargetType"] == "lambda":
        return await alb._invoke_lambda_target(
            alb._targets[group_arn][0]["Id"],
            group_arn, method, path, headers, body, query_params, raw_query_string,
        )  # fmt: skip
    targets = target_health.usable_targets(group_arn)
    if not targets:
        return answer(503, "No target is healthy yet.")
    return await alb._proxy_http_target(
        targets[next(_turn) % len(targets)],
        group, method, raw_path or path, headers, body, query_params, raw_query_string,
    )  # fmt: skip


def _forward_the_port() -> None:
    """X-Forwarded-Port is the browser's port, too.

    A redirect by that header would otherwise lead to a port on which nothing listens, as
    Airflow's does after signing in.
    """
    target_headers = alb._target_headers

    def target_headers_with_port(*arguments: Any, **named: Any) -> dict[str, str]:
        headers: dict[str, str] = target_headers(*arguments, **named)
        port = _browser_port.get()
        return headers if port is None else {**headers, "x-forwarded-port": str(port)}

    alb._target_headers = target_headers_with_port


def _redirect_to_a_port_of_this_machine(settings: Settings) -> None:
    """A redirect action to port 443 leads to the HTTPS port."""
    execute = alb._execute_action

    async def execute_here(action: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        response = await execute(action, *arguments, **named)
        if action.get("Type", "").lower() == "redirect" and _browser_port.get() is not None:
            location = response[1]["Location"]
            response[1]["Location"] = re.sub(
                r"^(https://[^/:]+):443(?=/|$)", rf"\1:{settings.https_port}", location
            )
        return response

    alb._execute_action = execute_here


def _name_load_balancers(address: str) -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ElasticLoadBalancingV2::LoadBalancer"]
    create = handlers["create"]

    def create_with_reachable_name(
        logical_id: str, properties: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        arn, attributes = create(logical_id, properties, stack_name)
        alb._lbs[arn]["DNSName"] = address
        _created[arn] = time.time()
        return arn, {**attributes, "DNSName": address}

    handlers["create"] = create_with_reachable_name
