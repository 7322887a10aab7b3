"""Import DAG files as the dag-processor does: each in a process of its own, with limits.

It runs with the interpreter of the image and reads a request from standard input:

    {"folder": …, "seconds": …, "memory_mib": …, "result": file for the answer}

Airflow is imported once, and so is what a file imports of Airflow. What is measured, and limited,
is therefore the file's own work.
"""

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
# The last of what a file prints, shown if it ends its process.
OUTPUT_BYTES = 2000
# The answer about one file. More cannot be meant for the dag-processor.
MOST_BYTES = 64 * MIB


def main() -> None:
    request = json.load(sys.stdin)
    with contextlib.suppress(ImportError):
        from airflow_on_fargate import configuration  # type: ignore[import-not-found,unused-ignore]

        configuration.apply()
    folder = Path(request["folder"])
    answers = [import_apart(path, folder, request) for path in dag_files(folder)]
    Path(request["result"]).write_text(json.dumps(answers))


def dag_files(folder: Path) -> list[str]:
    """The files that Airflow would parse."""
    from airflow.utils.file import list_py_file_paths

    return sorted(str(path) for path in list_py_file_paths(str(folder), safe_mode=True))


def import_apart(path: str, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Import one file in a child process; what happened to it."""
    pre_import(path)
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            os.close(reader)
            _be_the_child(path, folder, request["memory_mib"], writer, output.fileno())
        os.close(writer)
        begun = time.monotonic()
        answer, over = _read(reader, begun + request["seconds"])
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        # The group exists only after the child's first call.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        result: dict[str, Any] = {
            "path": path,
            "seconds": time.monotonic() - begun,
            "peak_mib": usage.ru_maxrss * 1024 / MIB,
            "errors": [],
            "dags": [],
        }
        if over:
            result["ended"] = "time"
        elif not answer:
            result["ended"] = _how_it_ended(status)
        else:
            result |= json.loads(answer)
        size = os.fstat(output.fileno()).st_size
        text = os.pread(output.fileno(), OUTPUT_BYTES, max(0, size - OUTPUT_BYTES))
        result["output"] = text.decode("utf-8", "replace")
        return result


def pre_import(path: str) -> None:
    """Import what the file imports of Airflow, as the dag-processor does before it forks."""
    from airflow.utils.file import iter_airflow_imports

    try:
        modules = list(iter_airflow_imports(path))
    except Exception:
        # A file that does not parse: importing it says why.
        return
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)


def _read(reader: int, deadline: float) -> tuple[bytes, bool]:
    """What the child writes until it closes the pipe, and whether the time was over before."""
    parts: list[bytes] = []
    size = 0
    with os.fdopen(reader, "rb", buffering=0) as stream:
        while size <= MOST_BYTES:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                return b"", True
            part = stream.read(1 << 16)
            if not part:
                return b"".join(parts), False
            parts.append(part)
            size += len(part)
    return b"", False


def _how_it_ended(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.WEXITSTATUS(status)}"


def _be_the_child(path: str, folder: Path, memory_mib: int, writer: int, output: int) -> None:
    """Import the file, write what was found, end the process."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    limit = _address_space() + memory_mib * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = json.dumps(_imported(path, folder)).encode()
    with os.fdopen(writer, "wb") as stream:
        stream.write(answer)
    # Neither the file's own handlers nor those of the parent.
    os._exit(0)


def _address_space() -> int:
    """What this process has already; the limit is on what the import adds."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 4096 * MIB
    return pages * os.sysconf("SC_PAGE_SIZE")


def _imported(path: str, folder: Path) -> dict[str, Any]:
    begun = time.monotonic()
    bag = _bag(path, folder)
    took = time.monotonic() - begun
    errors = list(bag.import_errors.values())
    for dag in bag.dags.values():
        if problem := _serialization_problem(dag):
            errors.append(f"The DAG {dag.dag_id!r} cannot be stored in the database\n{problem}")
    dags = [_described(dag) for dag in bag.dags.values()]
    return {"work_seconds": took, "errors": errors, "dags": dags}


def _bag(path: str, folder: Path) -> Any:
    try:
        from airflow.dag_processing.dagbag import BundleDagBag
    except ImportError:
        # Airflow 3.0 and 3.1.
        from airflow.models.dagbag import DagBag

        sys.path.append(str(folder))
        return DagBag(path, include_examples=False, load_op_links=False)
    return BundleDagBag(path, bundle_path=folder, bundle_name="check-dags", load_op_links=False)


def _serialization_problem(dag: Any) -> str:
    """Why the dag-processor could not store the DAG."""
    try:
        from airflow.serialization.serialized_objects import DagSerialization as Serialization
    except ImportError:
        from airflow.serialization.serialized_objects import SerializedDAG as Serialization
    try:
        Serialization.to_dict(dag)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _described(dag: Any) -> dict[str, Any]:
    retries = {task.task_id: int(getattr(task, "retries", 0) or 0) for task in dag.tasks}
    least = min(retries.values(), default=None)
    return {
        "dag_id": dag.dag_id,
        "path": str(dag.fileloc),
        "owner": str(dag.owner),
        "tags": sorted(map(str, dag.tags)),
        "retries": least,
        "least_retried": sorted(task for task, count in retries.items() if count == least)[:5],
    }


if __name__ == "__main__":
    main()
