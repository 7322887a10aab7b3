"""Start a worker without Flower and an interactive shell.

Airflow starts the worker through Celery's command line, which imports all its commands: those of
Flower, which the Celery provider installs, and of click-repl. A tenth of the CPU time until a
worker takes its first message is for them, and every process of it keeps them in memory. The
figures are in docs/upstream/starting-a-worker.md. No upstream report is known.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from airflow_on_fargate.patches import require

_COMMANDS: Final = "celery.bin.celery"
_SHELL: Final = "click_repl"
_PLUGINS: Final = "celery.commands"


def apply() -> None:
    """Load Celery's command line now, without what comes from other packages."""
    require("celery", "5.6.3")
    if _COMMANDS not in sys.modules:
        with _without_other_packages():
            importlib.import_module(_COMMANDS)


@contextmanager
def _without_other_packages() -> Iterator[None]:
    entry_points = importlib.metadata.entry_points

    def without_plugins(**selected: Any) -> Any:
        return () if selected.get("group") == _PLUGINS else entry_points(**selected)

    shell: Any = ModuleType(_SHELL)
    shell.register_repl = lambda *_: None
    former = sys.modules.get(_SHELL)
    importlib.metadata.entry_points = without_plugins
    sys.modules[_SHELL] = shell
    try:
        yield
    finally:
        importlib.metadata.entry_points = entry_points
        if former is None:
            del sys.modules[_SHELL]
        else:
            sys.modules[_SHELL] = former
