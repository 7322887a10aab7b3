"""`python -m commands COMMAND`, as the Makefile calls it."""

import sys
from pathlib import Path

from commands.browser import browser
from commands.container_image.build import image
from commands.down import down
from commands.env import env
from commands.iam import iam_report
from commands.local_invoke.local_env import local_env
from commands.stacks.doctor import doctor
from commands.stacks.own_stack import with_running_ports
from commands.status import status
from commands.up import up
from commands.workspace import CommandError, Workspace
from plain_errors import plain_errors

COMMANDS = {
    "up": up,
    "down": down,
    "status": status,
    "doctor": doctor,
    "iam-report": iam_report,
    "env": env,
    "local-env": local_env,
    "browser": browser,
    "image": image,
}


def main(arguments: list[str]) -> None:
    """Run one command; an error ends with one sentence and exit status 1."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.exit(f"usage: python -m commands {'|'.join(COMMANDS)}")
    command = COMMANDS[arguments[0]]
    with plain_errors(expected=(CommandError,), log=_error_log):
        workspace = Workspace.from_environment()
        command(workspace if command in (browser, image) else with_running_ports(workspace))


def _error_log() -> Path:
    return Workspace.from_environment().error_log


if __name__ == "__main__":
    main(sys.argv[1:])
