"""python -m bench.control_plane --files 10 100 --json OUT [--table OUT]

Starts real components with the CPU and memory of a class, one at a time, with N small DAG files.
S3, SQS and PostgreSQL run without limits, the publisher in this process. Root gets control groups,
as containers have; other users get no limits, and only CPU seconds and memory count then.

- dag-processor: how long the files take until their DAGs are visible, what the process uses when
  nothing changes, and how long one change takes;
- scheduler: every DAG is due at once. Workers are a stand-in that finishes each task at once;
- api-server: an open list of DAGs and the heartbeats of 100 tasks, then as many as are answered.

The peer is Airflow with its defaults and S3DagBundle, which looks at the bucket every 300 s.

Runs in the Airflow environment (make bench-control-plane). A thousand files take an hour.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.control_plane.records import Limits

SYSTEMS = ("releases", "s3dagbundle")
PARTS = ("dag-processor", "scheduler", "api-server")


def size(text: str) -> tuple[int, int]:
    """CPU units and MiB."""
    cpu, _, memory = text.partition("/")
    return int(cpu), int(memory)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.control_plane", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    sizes = {"dag-processor": "256/1024", "scheduler": "512/1024", "api-server": "512/2048"}
    for part, default in sizes.items():
        parser.add_argument(
            f"--{part}", type=size, default=default, metavar=default, help="CPU units / MiB"
        )
    parser.add_argument(
        "--without", nargs="+", default=(), help="patches of releases, such as recording_cost"
    )
    parser.add_argument("--patience", type=float, default=900.0, help="seconds for each wait")
    parser.add_argument(
        "--idle", type=float, default=60.0, help="seconds that idle CPU is measured"
    )
    parser.add_argument("--settle", type=float, default=35.0, help="seconds before that")
    parser.add_argument("--changes", type=int, default=5, help="of releases; of the peer, one")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    records: list[Any] = []
    with tempfile.TemporaryDirectory(prefix="bench-control-plane-") as folder:
        _prepare(Path(folder))
        from bench.control_plane.deployment import postgres
        from bench.dags.emulator import embedded_aws

        try:
            with embedded_aws() as endpoint, postgres(Path(folder)) as server:
                os.environ["AWS_ENDPOINT_URL"] = endpoint
                for files in arguments.files:
                    for system in arguments.systems:
                        _measure(system, files, server, Path(folder), arguments, records)
        finally:
            # What was measured until an error, too.
            _report(records, arguments)
    return 0


def _report(records: list[Any], arguments: argparse.Namespace) -> None:
    from bench.control_plane.report import tables, targets

    print(tables(records))
    print()
    print("\n".join(targets(records)))
    if not all(record.limited for record in records):
        print("\nWithout control groups: the process had no limits.")
    if arguments.json:
        documents = [{"part": type(each).__name__, **asdict(each)} for each in records]
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")
    if arguments.table:
        arguments.table.write_text(tables(records) + "\n")


def _prepare(folder: Path) -> None:
    """Airflow reads its configuration at import, so it is imported after this."""
    os.environ.update(
        {
            "AIRFLOW_HOME": str(folder / "unused"),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    )


def _measure(
    system: str,
    files: int,
    server: Any,
    folder: Path,
    arguments: argparse.Namespace,
    records: list[Any],
) -> None:
    from bench.control_plane.deployment import Deployment, dag_file
    from bench.control_plane.measuring import log_of, measure
    from bench.control_plane.scheduling import fill, measure_scheduler
    from bench.control_plane.serving import measure_server

    home = folder / f"{system}-{files}"
    home.mkdir()
    deployment = Deployment(system, server, home, arguments.without)
    measured = {
        "dag-processor": measure,
        "scheduler": measure_scheduler,
        "api-server": measure_server,
    }
    try:
        deployment.put(dict(dag_file(number, "first") for number in range(files)))
        for part in PARTS:
            if part not in arguments.parts:
                continue
            limits = _limits(system, part, arguments)
            if part != "dag-processor" and deployment.visible() < files:
                fill(deployment, files, limits)
            records.append(measured[part](deployment, files, limits))
            print(json.dumps(asdict(records[-1])), file=sys.stderr, flush=True)
    except Exception:
        print(log_of(home), file=sys.stderr)
        raise
    finally:
        deployment.remove()
        shutil.rmtree(home, ignore_errors=True)


def _limits(system: str, part: str, arguments: argparse.Namespace) -> Limits:
    cpu_units, mebibytes = getattr(arguments, part.replace("-", "_"))
    return Limits(
        cpu_units=cpu_units,
        mebibytes=mebibytes,
        patience_seconds=arguments.patience,
        idle_seconds=arguments.idle,
        settle_seconds=arguments.settle,
        # Each takes up to five minutes there.
        changes=arguments.changes if system == "releases" else min(1, arguments.changes),
    )


if __name__ == "__main__":
    sys.exit(main())
