"""python -m bench.worker --slots 8 --rounds 3 [--json OUT]

Starts the image's worker with the CPU and memory of a container and says when it takes its first
message and when that task runs, what as many tasks at once as it has slots cost, and its memory
without tasks and with all of them. Tasks, releases, queue, log bucket and result backend are real
(the embedded AWS); the execution API is a stand-in that admits every task. Root gets control
groups; other users get no limits.

Runs in the Airflow environment (make bench-worker).
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench.worker.measuring import Record, measure

_ROWS: Sequence[tuple[str, Callable[[Record], float], int]] = (
    ("start of the container to its first message, s", lambda r: r.first_message, 2),
    ("CPU-s until then", lambda r: r.cpu_until_first_message, 2),
    ("start of the container until the first task runs, s", lambda r: r.first_task_runs, 2),
    ("start of the container until the first task has ended, s", lambda r: r.first_task_ended, 2),
    ("a task in every slot at once, until all run, s", lambda r: r.all_run, 2),
    ("CPU-s of each of these tasks", lambda r: r.cpu_per_task, 2),
    ("memory without tasks, MiB", lambda r: r.idle_memory, 0),
    ("memory of a running task, MiB", lambda r: r.busy_slot, 1),
    ("memory when all slots have run a task, MiB", lambda r: r.used_memory, 0),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.worker", description=__doc__)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--cpu", type=int, default=1024, help="CPU units, 1024 are one processor")
    parser.add_argument("--memory", type=int, default=4096, help="MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-worker-") as folder:
        records = _records(Path(folder), arguments)
    print(table(records))
    if not all(record.limited for record in records):
        print("\nWithout control groups: the worker had no limits.")
    if arguments.json:
        documents = [record.as_document() for record in records]
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")
    return 0


def table(records: Sequence[Record]) -> str:
    """Markdown: the median of the rounds, and the range."""
    lines = ["| measured | median | range |", "|---|---:|---:|"]
    for title, value, digits in _ROWS:
        found = [value(record) for record in records]
        shown = [f"{each:.{digits}f}" for each in (median(found), min(found), max(found))]
        lines.append(f"| {title} | {shown[0]} | {shown[1]}–{shown[2]} |")
    loads = [record.load for record in records]
    lines.append(
        f"| load of the machine before | {median(loads):.1f} | {min(loads)}–{max(loads)} |"
    )
    return "\n".join(lines)


def _records(folder: Path, arguments: argparse.Namespace) -> list[Record]:
    """Airflow reads its configuration at import, so it is imported after this."""
    folder.chmod(0o755)
    os.environ.update(
        {
            "AIRFLOW_HOME": str(folder / "unused"),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    )
    from bench.dags.emulator import embedded_aws
    from bench.worker.deployment import Deployment
    from bench.worker.execution_api import execution_api

    records = []
    with embedded_aws() as endpoint, execution_api() as api:
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        deployment = Deployment(folder, arguments.slots, api.url)
        for _ in range(arguments.rounds):
            records.append(
                measure(deployment, api, arguments.slots, arguments.cpu, arguments.memory)
            )
            print(json.dumps(records[-1].as_document()), file=sys.stderr, flush=True)
    return records


if __name__ == "__main__":
    sys.exit(main())
