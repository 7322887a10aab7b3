"""Whether containers can run on this machine, for the tests that need real ones."""

import os
import shutil
import subprocess
import sys

import pytest


def why_not() -> str:
    """Why real containers cannot run here; empty if they can."""
    if not sys.platform.startswith("linux"):
        return "containers run on this machine's own kernel only on Linux"
    if os.geteuid() != 0:
        return "only root can set the limits of a task"
    if not shutil.which("podman"):
        return "podman is not installed: apt-get install podman runc catatonit"
    done = subprocess.run(["podman", "info"], capture_output=True, text=True)
    return f"podman does not work: {done.stderr.strip()[-200:]}" if done.returncode else ""


_REASON = why_not()
needs_podman = pytest.mark.skipif(bool(_REASON), reason=_REASON or "podman works")
