"""Import what DAG files import once, in the dag-processor, and not in the process of each parse.

Airflow forks a process for each parse. Before the fork it imports the modules of Airflow that the
file names. It leaves out what these import when they are first used (`from airflow.sdk import task`
loads the decorators of every provider), and all other packages: every parse imports them again.

With this patch the dag-processor builds and serializes one small DAG before its first parse, and
imports the packages that a file's top level names before it is parsed. A package is first imported
in a process that ends: one that fails, hangs, needs much memory, or leaves more behind than modules
(a thread, an open file, a changed variable of the environment) is left to the parse processes.
Modules beside the DAGs are never imported here, nor is a package of the same name. If a later
release adds one, a parse process forgets the package, unless it has extension modules, many of
which cannot be loaded twice.
`[dag_processor] parsing_pre_import_modules = False` turns this off, as it does in Airflow.
No upstream report is known. The text of one is docs/upstream/cost-of-a-parse.md.
"""

import ast
import builtins
import functools
import gc
import importlib
import importlib.util
import locale
import logging
import os
import random
import select
import signal
import site
import socket
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

# An import that takes longer would delay the dag-processor's heartbeat.
TRIAL_SECONDS: Final = 10.0
# Of one package. Parse processes share what the dag-processor has imported.
LARGEST_GROWTH_BYTES: Final = 96 * 1024**2

_EMPTY: Final[frozenset[str]] = frozenset()

# What each file names, by its identity on disk, so that a file is read once for each version.
_seen: dict[str, tuple[int, int, int]] = {}
# Modules that were imported here or refused.
_decided: set[str] = set()
# Packages that were imported for DAG files, and those of them that the file to be parsed shadows.
_shared: set[str] = set()
_shadowed: frozenset[str] = _EMPTY


def apply() -> None:
    """Import before the first parse, and before the parse of each new version of a file."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing import processor
    from airflow.dag_processing.manager import DagFileProcessorManager

    # This patch does the same with more modules, and reads each version of a file once.
    replace(processor, "_pre_import_airflow_modules", _nothing)
    replace(DagFileProcessorManager, "_symlink_latest_log_directory", _warming_up)
    replace(DagFileProcessorManager, "_create_process", _importing)
    replace(processor, "_parse_file", _without_shadowed)


def _nothing(original: Any) -> Any:
    def _pre_import_airflow_modules(file_path: str, log: Any) -> None:
        pass

    return _pre_import_airflow_modules


def _is_on() -> bool:
    from airflow.configuration import conf

    return bool(conf.getboolean("dag_processor", "parsing_pre_import_modules", fallback=True))


def _warming_up(original: Any) -> Any:
    warm: list[bool] = []

    def _symlink_latest_log_directory(self: Any) -> None:
        # The last step before Airflow freezes the collector and starts its loop.
        original(self)
        if not warm and _is_on():
            warm.append(True)
            try:
                build_a_dag()
            except Exception:
                log.warning("Could not import ahead what every DAG file needs", exc_info=True)

    return _symlink_latest_log_directory


def build_a_dag() -> None:
    """Load what nearly every DAG file needs, by building and serializing a DAG."""
    import airflow.dag_processing.importers
    import airflow.providers.standard.operators.bash
    import airflow.providers.standard.operators.empty
    import airflow.providers.standard.operators.python
    import airflow.providers.standard.operators.trigger_dagrun
    import airflow.providers.standard.sensors.external_task  # noqa: F401
    from airflow.sdk import DAG, task
    from airflow.serialization.serialized_objects import DagSerialization
    from pendulum import datetime

    with DAG(
        "warm", schedule="@daily", start_date=datetime(2026, 1, 1), auto_register=False
    ) as dag:

        @task
        def first() -> int:
            return 1

        first()
    DagSerialization.to_dict(dag)


def _importing(original: Any) -> Any:
    def _create_process(self: Any, dag_file: Any) -> Any:
        global _shadowed
        _shadowed = _EMPTY
        try:
            if _is_on():
                own = names_in(os.path.realpath(dag_file.bundle_path))
                _import_for(str(dag_file.absolute_path), own)
                _shadowed = frozenset(_shared & own)
        except Exception:
            # The parse itself reports what is wrong with the file.
            log.warning("Could not import ahead for %s", dag_file.rel_path, exc_info=True)
        return original(self, dag_file)

    return _create_process


def _without_shadowed(original: Any) -> Any:
    def _parse_file(msg: Any, log: Any) -> Any:
        for package in _shadowed:
            forget(package)
        if numbers := sys.modules.get("numpy.random"):
            # All processes would have the numbers of the dag-processor.
            numbers.seed()
        return original(msg, log)

    return _parse_file


def forget(package: str) -> None:
    """Let the next import find what precedes the package in `sys.path` now."""
    loaded = [name for name in sys.modules if name.partition(".")[0] == package]
    origins = (getattr(sys.modules[name], "__file__", None) or "" for name in loaded)
    if not any(origin.endswith(tuple(EXTENSION_SUFFIXES)) for origin in origins):
        for name in loaded:
            del sys.modules[name]


def _import_for(path: str, own: frozenset[str]) -> None:
    """Import here what the file's top level names; `own` are names of modules beside the DAGs."""
    found = os.stat(path)
    identity = (found.st_ino, found.st_mtime_ns, found.st_size)
    if _seen.get(path) == identity or not path.endswith(".py"):
        return
    _seen[path] = identity
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    before = len(sys.modules)
    for module, attribute in named(tree):
        name = f"{module}.{attribute}" if attribute else module
        if name not in _decided and module.partition(".")[0] not in own:
            _decided.add(name)
            _import(module, attribute)
    if len(sys.modules) > before:
        # Parse processes must not copy the pages of these modules, as they would in a collection.
        gc.collect()
        gc.freeze()


def named(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """The modules, and their attributes, that the file imports whatever happens."""
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from ((alias.name, None) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield from (
                (statement.module, alias.name) for alias in statement.names if alias.name != "*"
            )


def _import(module: str, attribute: str | None) -> None:
    package, before = module.partition(".")[0], set(sys.modules)
    # Airflow itself imports its modules without a trial.
    if package != "airflow" and module not in sys.modules:
        if not _is_installed(package):
            return
        if reason := refusal(functools.partial(load, module, attribute)):
            log.info("Each parse imports %s for itself: %s", module, reason)
            return
    try:
        load(module, attribute)
    except Exception as error:
        # The file may handle this; if not, it is an import error.
        log.info("Each parse imports %s for itself: %s", module, error)
    _shared.update({name.partition(".")[0] for name in sys.modules.keys() - before} - {"airflow"})


def load(module: str, attribute: str | None) -> None:
    """`import module` or `from module import attribute`."""
    loaded = importlib.import_module(module)
    if attribute and not hasattr(loaded, attribute):
        importlib.import_module(f"{module}.{attribute}")


def _is_installed(package: str) -> bool:
    """Whether the package is the image's: not of plugins or of a folder that a DAG added."""
    if package in sys.stdlib_module_names:
        return True
    spec = importlib.util.find_spec(package)
    places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
    roots = {*site.getsitepackages(), *map(sysconfig.get_path, ("purelib", "platlib"))}
    return any(place and Path(place).is_relative_to(root) for place in places for root in roots)


@functools.lru_cache(maxsize=4)
def names_in(folder: str) -> frozenset[str]:
    """The names of modules and folders anywhere in a release, by any of which a DAG may import.

    A release's folder never changes.
    """
    names: set[str] = set()
    for _, folders, files in os.walk(folder):
        names.update(folders)
        names.update(name.partition(".")[0] for name in files)
    return frozenset(names)


def refusal(loading: Any) -> str:
    """Why this import must not happen here; empty if it leaves nothing behind but modules."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _try_in_child(loading, writer)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], TRIAL_SECONDS)
        answer = os.read(reader, 4096).decode(errors="replace") if ready else ""
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not answer:
        return "its import ended the process" if ready else f"it takes over {TRIAL_SECONDS:.0f} s"
    return answer.removeprefix("+")


def _try_in_child(loading: Any, writer: int) -> None:
    answer = "its import fails"
    try:
        # As in a parse process: an import must not use the connections of the dag-processor.
        from airflow.sdk.execution_time.supervisor import block_orm_access

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        quiet = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(quiet, standard)
        block_orm_access()
        before = _state()
        loading()
        after = _state()
        changed = [name for name, value in before.items() if after[name] != value]
        answer = "+" if not changed else f"its import changes {', '.join(changed)}"
        if after.grown > before.grown + LARGEST_GROWTH_BYTES:
            answer = f"it needs more than {LARGEST_GROWTH_BYTES // 1024**2} MiB"
    except BaseException as error:
        answer = f"its import fails with {type(error).__name__}"
    finally:
        os.write(writer, answer.encode())
        os._exit(0)


class _State(dict[str, Any]):
    grown = 0


def _state() -> _State:
    """What a parse process would inherit besides modules."""
    state = _State(
        threads=(len(os.listdir("/proc/self/task")), threading.active_count()),
        files=sorted(os.listdir("/proc/self/fd")),
        processes=Path("/proc/thread-self/children").read_text(),
        environment=dict(os.environ),
        folder=os.getcwd(),
        locale=locale.setlocale(locale.LC_ALL),
        random=random.getstate(),
        path=list(sys.path),
        signals=[signal.getsignal(number) for number in signal.valid_signals()],
        builtins=_identities((builtins.open, builtins.__import__, socket.socket, os.fork)),
        handlers=_identities(logging.getLogger().handlers),
    )
    state.grown = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return state


def _identities(values: Iterable[Any]) -> list[int]:
    return [id(value) for value in values]
