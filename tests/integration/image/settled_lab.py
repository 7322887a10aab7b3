"""Airflow's own manager with the patches of the dag-processor, and releases in an in-memory bucket.

`FOLDER`: reads commands as lines of JSON, answers each with one. FOLDER/bucket survives the
process. With a command `loops` the manager's loop runs so often, and on until nothing is being
parsed; every file that is not settled is parsed in each of them.
"""

import json
import pickle
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
from airflow.dag_processing.manager import DagFileProcessorManager
from airflow.settings import engine
from dag_folder import DagFolder
from in_memory_s3 import InMemoryS3

from airflow_on_fargate import patches
from airflow_on_fargate.releases import settled


class Driver:
    """The manager's heartbeat, which is called in each loop."""

    def __init__(self, bucket: Path) -> None:
        self.bucket = bucket
        self.folder = DagFolder(InMemoryS3())
        if bucket.exists():
            self.folder.s3.objects, self.folder.s3._count = pickle.loads(bucket.read_bytes())
        self.manager: Any = None
        self.parsed: Counter[str] = Counter()
        self.left = 0

    def __call__(self) -> None:
        self.left -= 1
        if self.left > 0 or self.manager._processors:
            return
        answer: Any = {"parsed": self.parsed}
        while True:
            print(f"\nANSWER {json.dumps(answer)}", flush=True)
            command = json.loads(sys.stdin.readline() or '["exit"]')
            if command[0] == "loops":
                self.left, self.parsed = command[1], Counter()
                return
            answer = getattr(self, command[0])(*command[1:])

    def publish(self, files: dict[str, str | None]) -> str | None:
        """Change the folder and publish; returns the release."""
        return self.folder.publish(dict(files)).release

    def archive(self, path: str, files: dict[str, str]) -> str | None:
        """Publish an archive in the folder."""
        from dag_folder import zipped

        return self.folder.publish(
            {path: zipped({name: text.encode() for name, text in files.items()})}
        ).release

    def callback(self, dag_id: str, path: str, release: str | None) -> None:
        """As the scheduler does when a run has failed."""
        from airflow.callbacks.callback_requests import DagCallbackRequest
        from airflow.callbacks.database_callback_sink import DatabaseCallbackSink

        request = DagCallbackRequest(
            filepath=path, dag_id=dag_id, run_id=f"of {release}", bundle_name="releases",
            bundle_version=release, msg="failed",
        )  # fmt: skip
        DatabaseCallbackSink().send(request)

    def sql(self, statement: str) -> list[list[Any]]:
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [list(row) for row in result] if result.returns_rows else []

    def exit(self) -> None:
        self.bucket.write_bytes(pickle.dumps((self.folder.s3.objects, self.folder.s3._count)))
        sys.exit()


def main(folder: Path) -> None:
    """Run the manager."""
    driver = Driver(folder / "bucket")
    boto3.client = lambda *_, **__: driver.folder.s3
    patches.apply_for("dag-processor")
    settled.SECONDS_BETWEEN_CHECKS = 0.0  # type: ignore[misc]
    record = DagFileProcessorManager.handle_parsing_result

    def counting(self: Any, file: Any, proc: Any, *rest: Any, **named: Any) -> Any:
        driver.parsed[("callback " if proc.had_callbacks else "") + str(file.rel_path)] += 1
        return record(self, file, proc, *rest, **named)

    DagFileProcessorManager.handle_parsing_result = counting  # type: ignore[method-assign]
    wait = DagFileProcessorManager._service_processor_sockets

    def briefly(self: Any, timeout: float | None = None) -> None:
        wait(self, timeout=min(timeout or 0.0, 0.1))

    DagFileProcessorManager._service_processor_sockets = briefly  # type: ignore[method-assign]
    driver.manager = DagFileProcessorManager(max_runs=-1, heartbeat=driver)
    driver.manager.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
