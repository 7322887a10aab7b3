"""Lambda layers of Python functions, in a folder that stands for /opt.

On Lambda the layers of a function are unpacked into /opt, one over the other. A process of this
machine has the machine's /opt, so the layers are unpacked elsewhere, and a variable of the
function that names a path under /opt names that folder instead. ministack 1.5.33 gives layers to
functions in containers and to its own runtimes, but not to those that use the Runtime API.
"""

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ministack.services import lambda_svc

_OPT = "/opt/"
_lock = threading.Lock()


def folder_of(config: Mapping[str, Any]) -> Path | None:
    """The folder with the layers of a function, unpacked once; None if it has none."""
    found = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
    archives = [archive for archive in found if archive]
    if not archives:
        return None
    digests = [hashlib.sha256(archive).hexdigest() for archive in archives]
    key = hashlib.sha256(" ".join(digests).encode()).hexdigest()
    target = Path(tempfile.gettempdir()) / "lambda-layers" / key
    with _lock:
        if not target.exists():
            unfinished = target.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            for archive in archives:
                layer = lambda_svc._docker_extracted_dir(archive, "layer")
                shutil.copytree(layer, unfinished, dirs_exist_ok=True)
            unfinished.rename(target)
    return target


def environment_with(folder: Path | None, declared: Mapping[str, str]) -> dict[str, str]:
    """The variables that a function declares, as they are where its layers are in a folder."""
    if folder is None:
        return dict(declared)
    return {
        name: f"{folder}/{value.removeprefix(_OPT)}" if value.startswith(_OPT) else value
        for name, value in declared.items()
    }


def python_path(folder: Path | None) -> dict[str, str]:
    """Lambda's Python finds the packages of layers in /opt/python."""
    return {"PYTHONPATH": str(folder / "python")} if folder and (folder / "python").is_dir() else {}
