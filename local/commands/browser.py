"""`make browser`: the browser of the end-to-end test, which belongs to the machine.

A browser is installed only for root on Debian, as in CI's container; elsewhere the choice is the
user's. Without a browser the test is skipped, except in CI.
"""

import os
import platform
import shutil
import subprocess

from commands.workspace import Workspace

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MAC_PROGRAMS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
# A machine without a screen often has no fonts.
PACKAGES = ("chromium", "fonts-liberation")
MISSING = (
    "No browser was found, so the UI test is skipped: install Chromium, Chrome or Edge, or name "
    "one: CHROME=/path/to/chromium"
)
_APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120")


def browser(_: Workspace) -> None:
    """Say which browser the end-to-end test uses; install one in a container."""
    if not find() and _root_on_debian():
        print(f"No browser was found: installing Debian's {' and '.join(PACKAGES)}", flush=True)
        _install()
    print(find() or MISSING, flush=True)


def find() -> str | None:
    """The path of a browser with Chromium's protocol; where CHROME is set, of that one only."""
    asked = os.environ.get("CHROME")
    if asked:
        return shutil.which(asked)
    return next((path for path in map(shutil.which, (*NAMES, *MAC_PROGRAMS)) if path), None)


def _root_on_debian() -> bool:
    # Ubuntu's package of this name is a snap, which containers cannot run.
    try:
        system = platform.freedesktop_os_release()["ID"]
    except OSError:
        return False
    return system == "debian" and os.geteuid() == 0


def _install() -> None:
    """Install the browser; a failure is printed, and the test reports the missing browser."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = (*_APT, "install", "--yes", "--no-install-recommends", *PACKAGES)
    for command in ((*_APT, "update"), install):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            print(f"{' '.join(command)} failed:\n{tail}", flush=True)
            return
