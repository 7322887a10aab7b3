"""Private DNS names of Cloud Map services, which this machine cannot resolve.

`<service>.<namespace>:<port>` inside a container's environment is replaced by the address of a
forwarder. It connects each client to a running, healthy task of the ECS service that is registered
under the name at that moment.
"""

import asyncio
import contextlib
import itertools
import logging
import re
import threading
from typing import Any

from ministack.services import servicediscovery

from embedded_aws.account_scope import account_scope
from embedded_aws.ecs import engine as ecs
from embedded_aws.settings import Settings

_CHUNK_BYTES = 64 * 1024

_turn = itertools.count()

logger = logging.getLogger("embedded_aws.service_names")


def install(settings: Settings) -> None:
    forwarders = Forwarders(settings)
    build = ecs.stock._build_run_kwargs

    def build_with_reachable_names(*arguments: Any) -> dict[str, Any]:
        kwargs: dict[str, Any] = build(*arguments)
        kwargs["environment"] = forwarders.rewritten(kwargs["environment"])
        return kwargs

    ecs.stock._build_run_kwargs = build_with_reachable_names


class Forwarders:
    """One listening port for each service name and port that an environment has asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._ports: dict[tuple[str, int], int] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(
            target=self._loop.run_forever, name="embedded-aws-names", daemon=True
        ).start()

    def rewritten(self, environment: dict[str, str]) -> dict[str, str]:
        namespaces = [
            re.escape(namespace["Name"])
            for namespace in servicediscovery._namespaces.values()
            if namespace["Type"] == "DNS_PRIVATE"
        ]
        if not namespaces:
            return environment
        name = re.compile(rf"(?<![\w.-])([\w-]+\.(?:{'|'.join(namespaces)})):(\d+)\b")

        def reachable(match: re.Match[str]) -> str:
            return f"127.0.0.1:{self.port_of(match[1], int(match[2]))}"

        return {key: name.sub(reachable, value) for key, value in environment.items()}

    def port_of(self, name: str, port: int) -> int:
        """The forwarder's port; the first call for a name opens it."""
        with self._lock:
            if (name, port) not in self._ports:
                opened = asyncio.run_coroutine_threadsafe(self._listen(name, port), self._loop)
                self._ports[name, port] = opened.result()
            return self._ports[name, port]

    async def _listen(self, name: str, port: int) -> int:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with account_scope(self._settings):
                addresses = addresses_of(name)
            await _forward(reader, writer, addresses, port)

        server = await asyncio.start_server(forward, "127.0.0.1", 0)
        listening: int = server.sockets[0].getsockname()[1]
        logger.info("%s:%d is forwarded from 127.0.0.1:%d", name, port, listening)
        return listening


def addresses_of(name: str) -> list[str]:
    """The addresses of the healthy tasks registered under a name, rotated by one with each call."""
    label, _, namespace_name = name.partition(".")
    namespaces = {
        namespace["Id"]
        for namespace in servicediscovery._namespaces.values()
        if namespace["Name"] == namespace_name
    }
    registries = {
        service["Arn"]
        for service in servicediscovery._services.values()
        if service["Name"] == label and service["NamespaceId"] in namespaces
    }
    addresses = [
        ecs.address_of(task)
        for service in list(ecs.stock._services.values())
        if registries & {entry["registryArn"] for entry in service.get("serviceRegistries") or []}
        for task in ecs.tasks_of_service(service)
        if ecs.is_container_healthy(task)
    ]
    found = [address for address in addresses if address]
    first = next(_turn) % max(1, len(found))
    return found[first:] + found[:first]


async def _forward(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    addresses: list[str],
    port: int,
) -> None:
    for address in addresses:
        try:
            target_reader, target_writer = await asyncio.open_connection(address, port)
        except OSError:
            continue
        await asyncio.gather(_copy(reader, target_writer), _copy(target_reader, writer))
        target_writer.close()
        break
    writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
            return
    writer.close()
