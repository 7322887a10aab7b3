"""Most commands stop no services."""

import pytest

from run_airflow_command.s3_upgrade_notes import S3UpgradeNotes


@pytest.fixture(autouse=True)
def nothing_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3UpgradeNotes, "quiesced", lambda self: None)
