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


def test_uploads_share_one_client_and_deletion_stays_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from airflow.providers.amazon.aws.log import s3_task_handler
    from airflow.providers.amazon.aws.log.s3_task_handler import S3RemoteLogIO

    class Hook:
        made = 0

        def __init__(self, **_: Any) -> None:
            Hook.made += 1

        def check_for_key(self, _: str) -> bool:
            return False

        def parse_s3_url(self, url: str) -> list[str]:
            return url.removeprefix("s3://").split("/", 1)

        def get_conn(self) -> Any:
            raise OSError("the upload fails")

    monkeypatch.setattr(S3RemoteLogIO, "upload", S3RemoteLogIO.upload)
    monkeypatch.setattr(s3_task_handler, "S3Hook", Hook)
    patches.apply("worker.log_upload")
    logs = S3RemoteLogIO("s3://bucket/logs", tmp_path, delete_local_copy=True)
    for name in ("attempt=1.log", "attempt=2.log"):
        (tmp_path / name).write_text(name)
        logs.upload(name)

    assert (Hook.made, logs.delete_local_copy) == (1, True)
