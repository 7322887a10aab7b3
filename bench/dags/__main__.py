"""python -m bench.dags --files 10 1000 10000 --json OUT [--svg OUT] [--table OUT]

Runs in the Airflow environment (make bench-dags), against the S3 of a separate embedded AWS or the
one at --endpoint-url. Trust request counts and ratios more than seconds. Releases are measured
three times where a step takes at most seconds, and the median is shown.
"""

import argparse
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench.dags.report import SYSTEMS, drawing, table, targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dags", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--endpoint-url", help="an S3 that is already running")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-dags-") as folder:
        _prepare_airflow(Path(folder))
        from bench.dags.emulator import embedded_aws

        running = nullcontext(arguments.endpoint_url) if arguments.endpoint_url else embedded_aws()
        with running as endpoint:
            os.environ["AWS_ENDPOINT_URL"] = endpoint
            records = [
                r for files in arguments.files for r in _run(files, Path(folder), arguments.systems)
            ]
    return _report(records, arguments)


def _prepare_airflow(home: Path) -> None:
    """Airflow reads its configuration at import, so it is imported after this."""
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home / "airflow"),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
    )


def _run(files: int, folder: Path, systems: Sequence[str]) -> list[dict[str, Any]]:
    import boto3
    from botocore.config import Config

    from bench.dags.measuring import count_errors, measure, upload
    from bench.dags.systems import ProviderBundle, Releases, Sidecar, System

    s3 = boto3.client("s3", config=Config(max_pool_connections=16))
    records: list[dict[str, Any]] = []
    for kind in systems:
        # A bucket each, so that all start in the same state.
        bucket = f"bench-{kind}-{uuid.uuid4().hex[:8]}"
        s3.create_bucket(Bucket=bucket)
        enabled = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
        upload(s3, bucket, files)
        target = folder / bucket
        target.mkdir()
        system: System
        if kind == "releases":
            system = Releases(s3, bucket)
        elif kind == "s3dagbundle":
            system = ProviderBundle(s3, bucket)
        else:
            system = Sidecar(s3, bucket, target)
        found = [record.as_document() for record in measure(system, s3, bucket, files)]
        found.append(count_errors(system, s3, bucket, files))
        for record in found:
            print(json.dumps(record), file=sys.stderr, flush=True)
        records += found
    return records


def _report(records: list[dict[str, Any]], arguments: argparse.Namespace) -> int:
    print(table(records))
    print()
    results = targets(records)
    for text, holds in results:
        print(f"{'pass' if holds else 'FAIL'}  {text}")
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")
    if arguments.svg:
        arguments.svg.write_text(drawing(records))
    if arguments.table:
        arguments.table.write_text(table(records) + "\n")
    return 0 if all(holds for _, holds in results) else 1


if __name__ == "__main__":
    sys.exit(main())
