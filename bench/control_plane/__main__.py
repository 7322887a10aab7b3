"""python -m bench.control_plane --files 10 100 --json OUT [--table OUT]

Starts a real dag-processor with the CPU and memory of a class, with N small DAG files, and says
how long they take, what the process uses when nothing changes, and how long one change takes. The
peer is Airflow with its defaults and S3DagBundle, which looks at the bucket every 300 s. S3 and
PostgreSQL run without limits, the publisher in this process. Root gets control groups, as
containers have; other users get no limits, and only CPU seconds and memory count then.

Runs in the Airflow environment (make bench-control-plane). A thousand files take an hour.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench.control_plane.measuring import Limits, Record, log_of, measure
from bench.control_plane.report import table, targets

SYSTEMS = ("releases", "s3dagbundle")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.control_plane", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--cpu", type=int, default=256, help="CPU units, 1024 are one processor")
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds for each wait")
    parser.add_argument(
        "--idle", type=float, default=60.0, help="seconds that idle CPU is measured"
    )
    parser.add_argument("--settle", type=float, default=35.0, help="seconds before that")
    parser.add_argument("--changes", type=int, default=5, help="of releases; of the peer, one")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    records: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="bench-control-plane-") as folder:
        _prepare(Path(folder))
        from bench.control_plane.deployment import postgres
        from bench.dags.emulator import embedded_aws

        with embedded_aws() as endpoint, postgres(Path(folder)) as server:
            os.environ["AWS_ENDPOINT_URL"] = endpoint
            for files in arguments.files:
                for system in arguments.systems:
                    record = _measure(system, files, server, Path(folder), arguments)
                    print(json.dumps(record.as_document()), file=sys.stderr, flush=True)
                    records.append(record)
    print(table(records))
    print()
    print("\n".join(targets(records)))
    if not all(record.limited for record in records):
        print("\nWithout control groups: the process had no limits.")
    if arguments.json:
        documents = [record.as_document() for record in records]
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")
    if arguments.table:
        arguments.table.write_text(table(records) + "\n")
    return 0


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
    system: str, files: int, server: object, folder: Path, arguments: argparse.Namespace
) -> Record:
    from bench.control_plane.deployment import Deployment

    limits = Limits(
        cpu_units=arguments.cpu,
        mebibytes=arguments.memory,
        patience_seconds=arguments.patience,
        idle_seconds=arguments.idle,
        settle_seconds=arguments.settle,
        # Each takes up to five minutes there.
        changes=arguments.changes if system == "releases" else min(1, arguments.changes),
    )
    home = folder / f"{system}-{files}"
    home.mkdir()
    deployment = Deployment(system, server, home)  # type: ignore[arg-type]
    try:
        return measure(deployment, files, limits)
    except Exception:
        print(log_of(home), file=sys.stderr)
        raise
    finally:
        deployment.remove()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
