"""A real PostgreSQL server for a database instance.

It listens on 127.0.0.1 only and without a Unix socket, and every user has a password
(scram). `fsync` is off, which is much faster; a test database may be lost in a power cut.

PostgreSQL refuses to run as root. Root runs it as `nobody` (setpriv) or, where `nobody` cannot
read the files, in a user namespace in which root appears as an ordinary user (unshare).
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from embedded_aws.local_server import LocalServer
from embedded_aws.processes import registry

# What RDS gives a db.t4g.micro: LEAST({DBInstanceClassMemory/9531392}, 5000).
MAX_CONNECTIONS = 81
# The superuser's name on RDS, which users cannot use; the master user is an ordinary role.
ADMIN = "rdsadmin"
_NOBODY = 65534
_AS_NOBODY = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
_IN_NAMESPACE = ("--user", "--map-user=1000", "--map-group=1000")


class PostgresError(RuntimeError):
    """A PostgreSQL program failed; the message holds its output."""


class PostgresServer(LocalServer):
    """One server with its files in one directory."""

    def __init__(self, directory: Path, binaries: Path, port: int) -> None:
        super().__init__(directory)
        self.port = port
        self._binaries = binaries
        self._run_as: tuple[str, ...] = ()

    @property
    def pid(self) -> int | None:
        """Of the process that leads the server's session; None while it is stopped."""
        return self._process.pid if self._process and self._process.is_running else None

    @property
    def major_version(self) -> str:
        output = self._run([self._binary("postgres"), "--version"])
        return str(re.findall(r"\d+", output)[0])

    def create(self) -> None:
        """Create the files of an empty database cluster."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, mode=0o700)
        self._choose_user()
        password_file = self.directory / "admin-password"
        password_file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        self._hand_over(password_file)
        self._run_as_user(
            self._binary("initdb"), "--pgdata", str(self._data), "--username", ADMIN,
            "--pwfile", str(password_file), "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip

    def copy_of(self, source: Path) -> None:
        """Use the files of another cluster, such as a snapshot."""
        copy_files(source, self.directory)
        self._choose_user()

    def start(self, timeout: float = 60) -> None:
        """Start, and return when the server answers queries."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "fsync": "off",
            "full_page_writes": "off",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._process = registry().start(
            [*self._run_as, self._binary("postgres"), "-D", str(self._data), *settings],
            name=f"PostgreSQL {self.directory.name}",
            env=self._environment(),
            cwd=self.directory,
            log_file=self._log_file(),
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown, which disconnects the clients
            stop_last=True,
        )
        if (said := self._wait_until_it_answers(self._answers, timeout)) is not None:
            raise PostgresError(f"PostgreSQL did not start: {said}")

    def back_up(self, target: Path) -> None:
        """Copy the running server's files, consistent as of the end of the copy."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, mode=0o700)
        owner = self.directory.stat()
        os.chown(target, owner.st_uid, owner.st_gid)
        password_file = self.directory / "admin-password"
        password = password_file.read_text(encoding="utf-8")
        self._run(
            [
                *self._run_as, self._binary("pg_basebackup"), "--pgdata", str(target / "data"),
                "--wal-method", "fetch", "--checkpoint", "fast", "--no-sync",
                "--host", "127.0.0.1", "--port", str(self.port), "--username", ADMIN,
            ],
            environment={"PGPASSWORD": password},
        )  # fmt: skip
        subprocess.run(["cp", "-p", str(password_file), str(target)], check=True)

    def execute(self, statements: str, database: str = "postgres") -> None:
        """Run SQL as the administrator, through standard input because it may hold passwords."""
        password = (self.directory / "admin-password").read_text(encoding="utf-8")
        self._run(
            [
                self._binary("psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1",
                "--host", "127.0.0.1", "--port", str(self.port),
                "--username", ADMIN, "--dbname", database,
            ],
            stdin=statements,
            environment={"PGPASSWORD": password},
        )  # fmt: skip

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _binary(self, name: str) -> str:
        return str(self._binaries / name)

    def _answers(self) -> bool:
        with contextlib.suppress(PostgresError):
            self.execute("SELECT 1 \\g /dev/null")
            return True
        return False

    def _choose_user(self) -> None:
        if os.geteuid() != 0:
            return
        for command, owner in (
            (("setpriv", *_AS_NOBODY), _NOBODY),
            (("unshare", *_IN_NAMESPACE), 0),
        ):
            if shutil.which(command[0]) is None:
                continue
            self._run_as = command
            subprocess.run(["chown", "-R", f"{owner}:{owner}", str(self.directory)], check=True)
            with contextlib.suppress(PostgresError):
                script = 'test -w "$1" && exec "$0" --version'
                self._run_as_user("sh", "-c", script, self._binary("postgres"), str(self.directory))
                return
        raise PostgresError(
            "PostgreSQL refuses to run as root, and neither setpriv nor unshare can help here: "
            "run the embedded AWS as an ordinary user"
        )

    def _hand_over(self, file: Path) -> None:
        file.chmod(0o600)
        owner = self.directory.stat()
        if os.geteuid() == 0:
            os.chown(file, owner.st_uid, owner.st_gid)

    def _run_as_user(self, *argv: str) -> str:
        return self._run([*self._run_as, *argv])

    def _run(
        self, argv: Sequence[str], stdin: str = "", environment: dict[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            list(argv),
            input=stdin,
            env={**self._environment(), **(environment or {})},
            cwd="/",
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise PostgresError(f"{Path(argv[0]).name} failed: {said}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "TZ": "UTC"}


def copy_files(source: Path, target: Path) -> None:
    """Copy a stopped server's files with their owners, which PostgreSQL checks."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-pR", str(source), str(target)], check=True)


def quoted_identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
