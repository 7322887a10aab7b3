"""uv, for images that run as local processes: the lock file's packages are not installed again.

    python uv_for_processes.py ENVIRONMENT UV ARGUMENT ...

Such an image runs with the packages of `.venv/airflow`, which `make install` has installed from the
same lock file. To install, compile and pack them for a layer takes 40 s and 250 MB. So the layer
gets only what says which packages these are and which files they have: the builder compares the
user's packages with that, and looks up what plugins import. Everything else that the builder asks
of uv is uv's: what the user adds is resolved against the lock file and installed.
"""

import os
import re
import shutil
import sys
from pathlib import Path

LOCK = "requirements.lock"
NOTE = "packages-of-this-machine.txt"
_TEXT = "The packages of the lock file are those of this machine: .venv/airflow.\n"
_SITE_PACKAGES = "lib/python3*/site-packages"


def main(environment: str, uv: str, arguments: list[str]) -> None:
    """Write down which packages the environment has, or become uv."""
    lock = Path(_value(arguments, "--requirement"))
    if arguments[:2] == ["pip", "install"] and lock.name == LOCK:
        target = Path(_value(arguments, "--python"))
        (target / NOTE).write_text(_TEXT)
        _copy_descriptions(Path(environment), target, lock)
        return
    os.execv(uv, [uv, *arguments])  # noqa: S606 - the arguments are the builder's


def _copy_descriptions(environment: Path, target: Path, lock: Path) -> None:
    """Copy the dist-info folders of the packages that the lock file names."""
    names = re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock.read_text(), re.MULTILINE)
    locked = {_normalized(name) for name in names}
    for packages in target.glob(_SITE_PACKAGES):
        for info in environment.glob(f"{_SITE_PACKAGES}/*.dist-info"):
            if _normalized(info.name.partition("-")[0]) in locked:
                shutil.copytree(info, packages / info.name)


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _value(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1] if option in arguments else ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
