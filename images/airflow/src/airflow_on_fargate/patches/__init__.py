"""Corrections of Airflow, its Amazon provider and kombu, until a release contains them.

Each module here corrects one fault, or adds what Airflow has no setting for. Its docstring says
what happens without it and where the fault is reported. The modules replace private functions, so
each is written for certain versions, which it names with `require`. Any other version stops the
build of the image (`python -m airflow_on_fargate.patches`) and, should one be installed anyway, the
component at its start.

Nothing is imported here before a patch is applied.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

# Component -> the modules of this package that it applies before it starts.
BY_COMPONENT: Final[Mapping[str, Sequence[str]]] = {
    "api-server": ("run_creation", "load_balancer_requests", "task_logs.large_logs"),
    "dag-processor": (
        "callback_statistics",
        "overtaken_parses",
        "recording_failures",
        "parse_failures",
        "parse_logs",
        "folder_scan",
        "parse_dags_folder",
        "shown_exclusions",
    ),
    "triggerer": ("triggerer.classes",),
    "scheduler": ("task_logs.unsent_tasks",),
    "worker": ("failed_polls", "request_limits", "log_upload"),
}


class PatchError(Exception):
    """A patch cannot be applied; the text says to what, and what to do."""


def apply_for(component: str) -> None:
    """Apply every patch that `component` needs to this process."""
    for name in BY_COMPONENT.get(component, ()):
        apply(name)


def apply(name: str) -> None:
    """Apply one patch to this process; applying it again changes nothing."""
    try:
        importlib.import_module(f"{__name__}.{name}").apply()
    except PatchError as error:
        raise PatchError(f"The patch {name!r} cannot be applied: {error}") from error
    except (ImportError, AttributeError) as error:
        raise PatchError(
            f"The patch {name!r} cannot be applied: what it replaces is missing ({error})"
        ) from error


def require(distribution: str, *versions: str, without: Sequence[str] = ()) -> bool:
    """Whether to patch `distribution`, which must be one of the versions known to the caller.

    `versions` are those that the patch was tested with, `without` those that lack what it corrects.
    """
    installed = version(distribution)
    if installed not in (*versions, *without):
        raise PatchError(
            f"{distribution} {installed} is installed, but the patch was tested with "
            f"{' and '.join(versions)} only. Install that version, or check whether the new one "
            "still needs the patch and name it there"
        )
    return installed in versions


def replace(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace `owner.name` with what `make` returns for the original, once for each `make`."""
    original = getattr(owner, name)
    patched: frozenset[str] = getattr(original, "patched", frozenset())
    key = f"{make.__module__}.{make.__qualname__}"
    if key in patched:
        return
    replacement: Any = make(original)
    replacement.patched = patched | {key}
    setattr(owner, name, replacement)
