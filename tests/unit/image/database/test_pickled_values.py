"""Airflow unpickles a column of the metadata database: who may write there runs code in others."""

import pickle
from pathlib import Path
from typing import Any

from airflow.models.taskinstance import TaskInstance
from sqlalchemy.dialects import postgresql


class Payload:
    """Code that runs when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_limit_value_in_the_metadata_database_runs_code_in_who_reads_it(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    column = TaskInstance.__table__.columns["executor_config"]
    read = column.type.result_processor(postgresql.dialect(), None)
    read(pickle.dumps(Payload(marker)))
    assert marker.exists()
