"""The way from a container on this machine to the embedded AWS, which listens on 127.0.0.1 only.

In a container, 127.0.0.1 is the container itself. What it does reach is this machine's address on
the network bridge of Docker or podman. A small process listens there and passes every connection
on; `make down` ends it with the rest. While it runs, every container on that bridge reaches the
embedded AWS.
"""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import suppress

import psutil
import requests

from commands.stacks.ports import MARKER
from commands.steps import wait_until
from commands.workspace import ROOT, CommandError, Workspace

BRIDGES = ("docker0", "podman0", "cni-podman0")
START_SECONDS = 120
_CHUNK_BYTES = 65536


def endpoint(workspace: Workspace) -> str:
    """The embedded AWS as a container names it; starts the process that forwards, if none runs.

    Raises:
        CommandError: there is no bridge, or its port is in use.
    """
    address = bridge_address(workspace)
    url = f"http://{address}:{workspace.aws_port}"
    if _answers(url):
        return url
    program = (sys.executable, "-m", "commands.local_invoke.bridge")
    log_file = workspace.state_dir / "bridge.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*program, address, str(workspace.aws_port)],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "local"),
                MARKER: str(workspace.state_dir),
            },
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            cwd=workspace.state_dir, start_new_session=True,
        )  # fmt: skip

    def forwards() -> bool:
        if process.poll() is not None:
            raise CommandError(f"Nothing listens on {url}:\n{log_file.read_text(errors='replace')}")
        return _answers(url)

    wait_until(forwards, START_SECONDS, f"an answer of {url}")
    return url


def bridge_address(workspace: Workspace) -> str:
    """This machine's address on the bridge of the containers; LOCAL_BRIDGE_ADDRESS names another.

    Raises:
        CommandError: no bridge is known.
    """
    named = os.environ.get("LOCAL_BRIDGE_ADDRESS")
    if named:
        return named
    interfaces = psutil.net_if_addrs()
    for bridge in BRIDGES:
        for entry in interfaces.get(bridge, []):
            if entry.family == socket.AF_INET:
                return str(entry.address)
    raise CommandError(
        f"No network bridge of containers was found ({', '.join(BRIDGES)}): start Docker or "
        "podman (podman makes its bridge with the first container), or name this machine's "
        f"address on it: {workspace.make('local-env')} LOCAL_BRIDGE_ADDRESS=172.17.0.1"
    )


def _answers(url: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"{url}/_ministack/health", timeout=30).ok
    return False


async def forward(address: str, port: int) -> None:
    """Pass every connection to this address on to the same port of 127.0.0.1, until cancelled.

    Raises:
        OSError: the address is not this machine's, or the port is in use there.
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

    async with await asyncio.start_server(connected, address, port) as server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end. A connection that breaks ends it like one that closes."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    try:
        asyncio.run(forward(sys.argv[1], int(sys.argv[2])))
    except OSError as error:
        sys.exit(str(error))
