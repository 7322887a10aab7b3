"""Which stack the commands mean: the one in their own state folder, on the ports it was started on.

The ports of a running stack are read from its state folder, where the embedded AWS got them from.
The alternative, hints of `make up` that repeat every port, fails as soon as somebody types
`make status` without them: the command would use the default ports, where another checkout's stack
may run. Only LOCAL_STATE_DIR has to be repeated, because it says where to look, so the hints
contain it.
"""

import os

from commands import deployment, emulator
from commands.stacks import ports
from commands.workspace import CommandError, Workspace


def with_running_ports(workspace: Workspace) -> Workspace:
    """The workspace with the ports of its running stack; unchanged when none runs.

    Raises:
        CommandError: a LOCAL_..._PORT names another port than the stack has, so it is not clear
            which stack is meant.
    """
    running = workspace.with_ports(emulator.running_ports(workspace))
    differing = [
        f"{port} ({variable}), not {workspace.ports[variable]}"
        for variable, port in running.ports.items()
        if os.environ.get(variable) and workspace.ports[variable] != port
    ]
    if differing:
        refusal = (
            f"The stack in {workspace.state_dir} uses port {', port '.join(differing)}: leave the "
            f"variable out to use this stack. `{workspace.make('down')}` ends it."
        )
        raise CommandError("\n".join([refusal, *ports.used_by_others(workspace)]))
    return running


def require(workspace: Workspace) -> None:
    """Return when this workspace's stack is deployed.

    Raises:
        CommandError: no stack runs or is deployed; names other stacks that use the ports.
    """
    if not emulator.is_running(workspace):
        raise CommandError(absence(workspace))
    if not deployment.stack_status(workspace):
        raise CommandError(f"No stack is deployed: run `{workspace.make('up')}` first.")


def absence(workspace: Workspace) -> str:
    """That the workspace's stack does not answer, what to do, and who uses its ports."""
    count = len(emulator.processes(workspace))
    if count:
        return (
            f"The embedded AWS in {workspace.state_dir} does not answer on port "
            f"{workspace.aws_port}, but {count} of its processes are running: wait if `make up` "
            f"has just started it, or end them with `{workspace.make('down')}`."
        )
    up = ports.with_free_ports(workspace).make("up")
    nothing = f"Nothing is running in {workspace.state_dir}: run `{up}` first."
    return "\n".join([nothing, *ports.used_by_others(workspace)])
