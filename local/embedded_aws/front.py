"""What each port of this machine serves.

The endpoint port is the AWS API. The UI port stands for port 80 of the newest load balancer, and
the HTTPS port for the newest distribution, or for port 443 of the newest load balancer.
"""

import ssl
from typing import Any

from hypercorn.config import Config
from ministack import app as ministack_app

from embedded_aws.account_scope import account_scope
from embedded_aws.acm import authority as acm_authority
from embedded_aws.cloudfront import edge
from embedded_aws.http_request import (
    AsgiApp,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    answer,
    read_request,
)
from embedded_aws.load_balancing import listener
from embedded_aws.settings import Settings

_HSTS = "strict-transport-security"


class ServerConfig(Config):
    """hypercorn on all three ports, with TLS on the HTTPS port only."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._authority = acm_authority.local_authority(settings)
        certificate, key = acm_authority.server_files(self._authority)
        self.certfile, self.keyfile = str(certificate), str(key)
        self.bind = [f"127.0.0.1:{settings.https_port}"]
        self.insecure_bind = [
            f"127.0.0.1:{port}" for port in (settings.endpoint_port, settings.ui_port)
        ]
        self.alpn_protocols = ["http/1.1"]
        self.keep_alive_timeout = 75
        self.graceful_timeout = 1
        self.loglevel = settings.log_level

    def create_ssl_context(self) -> ssl.SSLContext | None:
        context: ssl.SSLContext | None = super().create_ssl_context()
        if context is not None:
            acm_authority.choose_by_name(context, self._authority, self._settings)
        return context


def in_front_of(app: AsgiApp, settings: Settings) -> AsgiApp:
    """An application that answers the UI and HTTPS ports itself, and passes the rest to ``app``."""
    services = {settings.ui_port: _answer_http, settings.https_port: _answer_https}

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        service = services.get(scope["server"][1]) if scope["type"] == "http" else None
        if service is None:
            await app(scope, receive, send)
            return
        request = await read_request(scope, receive)
        if request is None:
            return
        with account_scope(settings):
            response: Any = _without_hsts(await service(request, settings))
            head = request.method == "HEAD"
            await ministack_app._send_if_handled(send, response, receive, head=head)

    return front


def _without_hsts(response: Response) -> Response:
    """Browsers apply Strict-Transport-Security to every port of localhost, the UI port included."""
    status, headers, body = response
    kept = {name: v for name, v in headers.items() if name.lower() != _HSTS}
    return status, kept, body


async def _answer_http(request: Request, settings: Settings) -> Response:
    balancer = listener.newest()
    if balancer is None:
        return answer(503, "There is no load balancer with a listener yet.")
    distribution = edge.distribution_of(balancer.arn)
    if distribution is not None:
        return answer(
            403,
            f"The load balancer is the origin of distribution {distribution['Id']} and must not be "
            f"reachable by plain HTTP: open https://{distribution['DomainName']}",
        )
    if listener.HTTP not in balancer.protocols:
        return answer(
            403,
            f"The load balancer has no HTTP listener: open https://localhost:{settings.https_port}",
        )
    return await balancer.answer(request, listener.HTTP, browser_port=settings.ui_port)


async def _answer_https(request: Request, settings: Settings) -> Response:
    balancer = listener.newest(listener.HTTPS)
    distribution = edge.newest()
    if distribution and (balancer is None or distribution.created > balancer.created):
        return await edge.answer_viewer(distribution, request)
    if balancer is None:
        return answer(503, "There is no distribution and no HTTPS listener yet.")
    return await balancer.answer(request, listener.HTTPS, browser_port=settings.https_port)
