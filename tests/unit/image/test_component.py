"""What of ours each component of Airflow starts with."""

import sys
from typing import Any

import pytest

from airflow_on_fargate import component

MENDS = {
    "dag-processor": {"forget_statistics_of_callbacks", "drop_parses_that_a_release_overtook"},
    "api-server": {"create_runs_of_one_release"},
    "triggerer": set(),
}


@pytest.mark.parametrize("name", MENDS)
def test_mends_what_the_component_runs_before_airflow_does(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    done: list[Any] = []
    for mend in set.union(*MENDS.values()):
        monkeypatch.setattr(
            f"airflow_on_fargate.patches.airflow_mends.{mend}", lambda mend=mend: done.append(mend)
        )
    mirrored: list[str] = []
    monkeypatch.setattr(component.heartbeat, "mirror_job_heartbeats", mirrored.append)
    monkeypatch.setattr("airflow.__main__.main", lambda: done.append("airflow"))
    monkeypatch.setattr(sys, "argv", ["component", name])

    component.main()

    assert set(done[:-1]) == MENDS[name]
    assert done[-1] == "airflow"
    # The load balancer asks the API server itself.
    assert mirrored == ([] if name == "api-server" else [name])
