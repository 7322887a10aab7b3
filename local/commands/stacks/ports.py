"""The ports of this machine: which are free, and which stack uses the others."""

import socket
from contextlib import closing
from pathlib import Path

import psutil

from commands.workspace import CommandError, Workspace

# In the environment of every process of an embedded AWS: the folder that holds its state.
MARKER = "EMBEDDED_AWS_STATE_DIR"
# The addresses of what this machine serves; tasks listen on addresses of their own.
_SERVED_ON = ("127.0.0.1", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


def check(workspace: Workspace) -> None:
    """Refuse ports that are in use.

    Raises:
        CommandError: names the ports and their variables, a command with free ports, and the other
            stacks that use the ports.
    """
    taken = [f"{port} ({name})" for name, port in workspace.ports.items() if not is_free(port)]
    if taken:
        refusal = (
            f"Already in use on this machine: port {', port '.join(taken)}. End the program that "
            f"uses it, or choose another port: {with_free_ports(workspace).make('up')}"
        )
        raise CommandError("\n".join([refusal, *used_by_others(workspace)]))


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def with_free_ports(workspace: Workspace) -> Workspace:
    """The workspace with the next free port in place of each port that is in use."""
    chosen: dict[str, int] = {}
    for variable, wanted in workspace.ports.items():
        port = wanted
        while port in chosen.values() or not is_free(port):
            port = port + 1 if port < 65535 else 1024
        chosen[variable] = port
    return workspace.with_ports(chosen)


def used_by_others(workspace: Workspace) -> list[str]:
    """A line for each other stack that uses ports of this workspace: its folder, how to end it.

    No command ends it unless its folder is named.
    """
    used: dict[Path, list[str]] = {}
    for variable, port in workspace.ports.items():
        owner = _owner(port)
        if owner is not None and owner != workspace.state_dir:
            used.setdefault(owner, []).append(f"{port} ({variable})")
    return [
        f"The stack in {owner} uses port {', port '.join(ports)}; "
        f"`{workspace.in_folder(owner).make('down')}` ends that stack."
        for owner, ports in used.items()
    ]


def _owner(port: int) -> Path | None:
    """The state folder of the embedded AWS that uses a port.

    None when the port is free, when something else uses it, or when the process belongs to another
    user and cannot be inspected.
    """
    for process in psutil.process_iter():
        try:
            folder = process.environ().get(MARKER)
            if folder and _listens(process, port):
                return Path(folder)
        except psutil.Error:
            continue
    return None


def _listens(process: psutil.Process, port: int) -> bool:
    return any(
        connection.status == psutil.CONN_LISTEN
        and connection.laddr.port == port
        and connection.laddr.ip in _SERVED_ON
        for connection in process.net_connections("tcp")
    )
