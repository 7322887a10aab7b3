"""A small container image made of this machine's own programs, without a registry."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PROGRAMS = ("sh", "cat", "date", "env", "head", "id", "ls", "sleep", "stat", "tail", "touch")
USER = 50000
# A path whose owner the image decides, with a VOLUME instruction; any other belongs to root.
VOLUME = "/scratch"


def name() -> str:
    """The image's name, another one for each version of this file."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    return f"localhost/embedded-aws-test:{digest}"


def build() -> str:
    """Make the image unless podman has it, and return its name.

    It runs as a user without rights, like the project's own image.
    """
    if subprocess.run(["podman", "image", "exists", name()]).returncode == 0:
        return name()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for place in ("bin", "etc", "tmp", VOLUME.lstrip("/")):
            (root / place).mkdir(parents=True)
        shutil.chown(root / VOLUME.lstrip("/"), USER, USER)
        (root / "tmp").chmod(0o1777)
        for program in PROGRAMS:
            path = shutil.which(program)
            assert path, f"{program} is not installed"
            shutil.copy(path, root / "bin" / program)
            for library in _libraries(path):
                target = root / library.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, target)
        archive = Path(folder) / "files.tar"
        with tarfile.open(archive, "w") as files:
            files.add(root, arcname=".")
        changes = (
            f"USER {USER}:{USER}",
            "ENV PATH=/bin",
            f"VOLUME {VOLUME}",
            f"ENTRYPOINT {json.dumps(['/bin/sh', '-c'])}",
        )
        options = [word for change in changes for word in ("--change", change)]
        subprocess.run(
            ["podman", "import", "--quiet", *options, str(archive), name()],
            check=True, capture_output=True,
        )  # fmt: skip
    return name()


def _libraries(program: str) -> list[str]:
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return re.findall(r"(/\S+) \(0x", done.stdout)
