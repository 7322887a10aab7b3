"""`python -m commands up|down|status|env|local-env|browser|image`, as the Makefile calls it."""

import sys

from commands.browser import browser
from commands.container_image.build import image
from commands.down import down
from commands.env import env
from commands.local_invoke.local_env import local_env
from commands.stacks.own_stack import with_running_ports
from commands.status import status
from commands.up import up
from commands.workspace import CommandError, Workspace

COMMANDS = {
    "up": up,
    "down": down,
    "status": status,
    "env": env,
    "local-env": local_env,
    "browser": browser,
    "image": image,
}


def main(arguments: list[str]) -> None:
    """Run one command; an expected failure ends with its sentence and exit status 1."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.exit(f"usage: python -m commands {'|'.join(COMMANDS)}")
    command = COMMANDS[arguments[0]]
    try:
        workspace = Workspace.from_environment()
        command(workspace if command in (browser, image) else with_running_ports(workspace))
    except CommandError as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    main(sys.argv[1:])
