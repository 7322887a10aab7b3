"""`make down`: end every process and show what is left on disk."""

from commands import emulator
from commands.stacks import ports
from commands.workspace import Workspace


def down(workspace: Workspace) -> None:
    """End the embedded AWS and everything that it started, and check that no process is left.

    Processes of other stacks keep running; those that use the ports of this workspace are named.

    Raises:
        CommandError: a process survived SIGKILL.
    """
    count = emulator.end(workspace)
    if count:
        print(f"Ended {count} processes; none are left.")
    else:
        print("\n".join(["Nothing was running.", *ports.used_by_others(workspace)]))
    if workspace.state_dir.exists():
        print(f"Left on disk: {workspace.state_dir} (logs and the last build).")
