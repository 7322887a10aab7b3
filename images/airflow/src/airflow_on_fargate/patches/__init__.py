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
    "api-server": (
        "api_server.run_creation",
        "api_server.load_balancer_requests",
        "api_server.large_logs",
        "api_server.version_links",
    ),
    "dag-processor": (
        "dag_processor.callback_statistics",
        "dag_processor.overtaken_parses",
        "dag_processor.recording_cost",
        "dag_processor.recording_failures",
        "dag_processor.parse_failures",
        "dag_processor.parse_logs",
        "dag_processor.shared_imports",
        "dag_processor.folder_scan",
        "dag_processor.idle_loop",
        "dag_processor.parse_dags_folder",
        "dag_processor.shown_exclusions",
        "dag_processor.settled_files",
    ),
    "triggerer": ("triggerer.classes",),
    "scheduler": ("scheduler.unsent_tasks", "scheduler.executors"),
    "flower": ("flower.private_metrics",),
    "worker": (
        "worker.log_server",
        "worker.celery_commands",
        "worker.failed_polls",
        "worker.request_limits",
        "worker.log_upload",
        "worker.folder_of_queue",
        "worker.hidden_arguments",
    ),
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


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace `owner.name` with what `make` returns for the original, once for each `make`."""
    original = getattr(owner, name)
    patched: frozenset[str] = getattr(original, "patched", frozenset())
    key = f"{make.__module__}.{make.__qualname__}"
    if key in patched:
        return
    replacement: Any = make(original)
    replacement.patched = patched | {key}
    setattr(owner, name, replacement)
