"""The log of the next try survives the upload of the one before."""

from typing import Any

import pytest

from airflow_on_fargate import patches


@pytest.mark.parametrize(("accepted", "left"), [(True, ["attempt=2.log"]), (False, None)])
def test_upload_keeps_the_log_of_the_next_try(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, accepted: bool, left: list[str] | None
) -> None:
    from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO

    uploaded: list[tuple[str, str]] = []

    def write(_: Any, log: str, location: str) -> bool:
        uploaded.append((log, location))
        return accepted

    monkeypatch.setattr(S3RemoteLogIO, "upload", S3RemoteLogIO.upload)
    monkeypatch.setattr(S3RemoteLogIO, "write", write)
    patches.apply("worker.log_upload")
    for name in ("attempt=1.log", "attempt=2.log"):
        (tmp_path / "task").mkdir(exist_ok=True)
        (tmp_path / "task" / name).write_text(name)
    logs = S3RemoteLogIO("s3://bucket/logs", tmp_path, delete_local_copy=True)

    logs.upload("task/attempt=1.log")

    assert uploaded == [("attempt=1.log", "s3://bucket/logs/task/attempt=1.log")]
    names = sorted(path.name for path in (tmp_path / "task").iterdir())
    assert names == (left or ["attempt=1.log", "attempt=2.log"])
