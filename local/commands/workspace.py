"""Folders, ports, stack name and deployment settings on this machine."""

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
STATE_DIR = ROOT / ".local"
# The ports of a workspace: field, variable, default.
PORTS = (
    ("aws_port", "LOCAL_AWS_PORT", 4566),
    ("ui_port", "LOCAL_UI_PORT", 8080),
    ("https_port", "LOCAL_HTTPS_PORT", 8443),
    ("database_port", "LOCAL_DATABASE_PORT", 5433),
)


class CommandError(Exception):
    """Why a command failed, and what to do."""


@dataclass(frozen=True)
class Workspace:
    """One running embedded AWS: its ports and the folder that holds its state."""

    state_dir: Path
    aws_port: int
    ui_port: int
    https_port: int
    database_port: int

    @classmethod
    def from_environment(cls) -> "Workspace":
        """The workspace that LOCAL_STATE_DIR and LOCAL_..._PORT describe.

        Raises:
            CommandError: a port is not a number between 1024 and 65535.
        """
        return cls(
            state_dir=Path(os.environ.get("LOCAL_STATE_DIR") or STATE_DIR).resolve(),
            **{field: _port(variable, default) for field, variable, default in PORTS},
        )

    @property
    def ports(self) -> dict[str, int]:
        """The ports by the variables that set them."""
        return {variable: getattr(self, field) for field, variable, _ in PORTS}

    def with_ports(self, ports: Mapping[str, int]) -> "Workspace":
        """This folder with other ports, by the variables that set them."""
        changed = {**self.ports, **ports}
        return Workspace(self.state_dir, *(changed[variable] for _, variable, _ in PORTS))

    def in_folder(self, state_dir: Path) -> "Workspace":
        """Another folder with these ports."""
        return replace(self, state_dir=state_dir)

    def make(self, target: str) -> str:
        """A `make` command to copy, which means this workspace in any terminal.

        It names the state folder, unless that is the checkout's own. Only `up` needs the ports: the
        others read those of the running stack from that folder (`commands.stacks.own_stack`).
        """
        settings: dict[str, object] = {}
        if target == "up":
            defaults = {variable: default for _, variable, default in PORTS}
            settings = {name: p for name, p in self.ports.items() if p != defaults[name]}
        if self.state_dir != STATE_DIR.resolve():
            settings["LOCAL_STATE_DIR"] = shlex.quote(str(self.state_dir))
        words = [f"{name}={value}" for name, value in settings.items()]
        return " ".join(["make", target, *words])

    @property
    def endpoint(self) -> str:
        """The endpoint for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def ui_url(self) -> str:
        """Airflow's address in the browser."""
        return f"http://localhost:{self.ui_port}"

    @property
    def ca_file(self) -> Path:
        """The authority that signs the certificates of the embedded AWS's HTTPS addresses."""
        return self.state_dir / "certificates" / "ca.pem"

    def ca_file_for(self, url: str) -> Path | None:
        """The authority to trust for a URL; None for the machine's own."""
        return self.ca_file if url.startswith("https:") else None

    @property
    def emulator_log(self) -> Path:
        """The output of the embedded AWS."""
        return self.state_dir / "emulator.log"

    @property
    def error_log(self) -> Path:
        """The details of the last error that no command expected."""
        return self.state_dir / "error.log"

    @property
    def emulator_pid_file(self) -> Path:
        """The process id of the embedded AWS."""
        return self.state_dir / "emulator.pid"

    @property
    def emulator_config(self) -> Path:
        """The settings of the embedded AWS."""
        return self.state_dir / "emulator.json"

    def environment(self) -> dict[str, str]:
        """This process's environment, with the embedded AWS as the only AWS."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return {**kept, **self.aws_environment()}

    def aws_environment(self) -> dict[str, str]:
        """The variables that point any AWS client at the embedded AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of the embedded AWS."""
        return self.session().client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.endpoint,
            # A busy machine answers late, and then again.
            config=Config(
                retries={"total_max_attempts": 5, "mode": "standard"},
                connect_timeout=30,
                read_timeout=120,
            ),
        )

    def session(self) -> boto3.session.Session:
        """A boto3 session of the embedded AWS, independent of the user's AWS settings."""
        credentials = self.aws_environment()
        return boto3.session.Session(
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise CommandError(f"{variable} is '{text}': give a port number between 1024 and 65535.")
    return int(text)


def venv_python(name: str) -> Path:
    """The interpreter of one of the project's environments."""
    return ROOT / ".venv" / name / "bin" / "python"


def local_profile() -> dict[str, Any]:
    """The `local` profile of samconfig.toml: the parameters of `sam deploy`."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    parameters: dict[str, Any] = config["local"]["deploy"]["parameters"]
    return parameters


def stack_name() -> str:
    """The name of the stack on this machine."""
    return str(local_profile()["stack_name"])
