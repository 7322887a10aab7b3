"""Docker and podman on the command line, as far as building an image needs them."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from commands.workspace import ROOT, CommandError

_PROBE_SECONDS = 30
_PULL_SECONDS = 300
_LAST_LINES = 15
# Where Debian keeps the machine's certificate authorities.
_CERTIFICATES = Path("/etc/ssl/certs")
_INSTALL_PODMAN = (
    "apt-get install --no-install-recommends podman runc catatonit (Debian, Ubuntu) or "
    "dnf install podman catatonit (Fedora)"
)


@dataclass(frozen=True)
class Engine:
    """A program that builds and stores images."""

    program: str

    def works(self) -> bool:
        """Whether it can be used: Docker also needs its daemon."""
        return bool(shutil.which(self.program)) and self._succeeds("info")

    def has(self, image: str) -> bool:
        """Whether it stores an image."""
        return self._succeeds("image", "inspect", image)

    def pull(self, image: str) -> str:
        """Fetch an image from its registry; why not, or nothing if it is there now."""
        try:
            done = self._run("pull", "--quiet", image, timeout=_PULL_SECONDS)
        except subprocess.TimeoutExpired:
            return f"the registry did not send it within {_PULL_SECONDS} s"
        return done.stderr.strip().splitlines()[-1] if done.returncode else ""

    def inspect(self, image: str, template: str) -> str:
        """A value of an image, by Go's template language.

        Raises:
            CommandError: there is no such image.
        """
        done = self._run("image", "inspect", "--format", template, image)
        if done.returncode:
            raise CommandError(f"{self.program} image inspect {image}: {done.stderr.strip()}")
        return done.stdout.strip()

    def digest(self, image: str) -> str:
        """The digest by which the registry knows an image; empty for one that was made here."""
        digests = self.inspect(image, '{{join .RepoDigests " "}}').split()
        return digests[0].partition("@")[2] if digests else ""

    def size(self, image: str) -> int:
        """The bytes of all layers of an image, unpacked."""
        return int(self.inspect(image, "{{.Size}}"))

    def remove_containers(self, label: str) -> None:
        """Remove the containers that carry a label, running or not."""
        found = self._run("ps", "--all", "--quiet", "--filter", f"label={label}").stdout.split()
        if found:
            self._run("rm", "--force", "--volumes", *found)

    def import_files(self, files: IO[bytes], image: str, changes: Sequence[str]) -> None:
        """Make an image with one layer from a tar file.

        Raises:
            CommandError: with the engine's message.
        """
        options = [word for change in changes for word in ("--change", change)]
        done = subprocess.run(
            [self.program, "import", *options, "-", image],
            stdin=files, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise CommandError(f"{self.program} import failed: {done.stderr.strip()}")

    def build(
        self,
        image: str,
        dockerfile: Path,
        *,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        log: Path,
        host_certificates: bool,
    ) -> None:
        """Build a Dockerfile in the root of the repository.

        Args:
            image: the name of the new image.
            dockerfile: the file.
            arguments: its build arguments.
            labels: labels of the image.
            log: the file for the output.
            host_certificates: let the build trust what this machine trusts. Only podman can.

        Raises:
            CommandError: with the last lines of the output.
        """
        command = [self.program, "build", "--file", str(dockerfile), "--tag", image]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        for name, value in labels.items():
            command += ["--label", f"{name}={value}"]
        if self.program == "podman":
            command += ["--network", "host", "--format", "docker"]  # the network needs no bridge
            if host_certificates and _CERTIFICATES.is_dir():
                command += ["--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(
                [*command, str(ROOT)],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if done.returncode:
            tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:])
            raise CommandError(f"{self.program} build failed (complete output in {log}):\n{tail}")

    def _succeeds(self, *arguments: str) -> bool:
        try:
            return self._run(*arguments, timeout=_PROBE_SECONDS).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _run(
        self, *arguments: str, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip


DOCKER = Engine("docker")
PODMAN = Engine("podman")


def choose(candidates: Sequence[Engine] = (DOCKER, PODMAN)) -> Engine:
    """The first engine that works.

    Raises:
        CommandError: none does; says what to install.
    """
    for engine in candidates:
        if engine.works():
            return engine
    names = " nor ".join(engine.program for engine in candidates)
    neither = "Neither " if len(candidates) > 1 else "No "
    raise CommandError(
        f"{neither}{names} works on this machine (`docker info`, `podman info`): start Docker, or "
        f"install podman: {_INSTALL_PODMAN}."
    )
