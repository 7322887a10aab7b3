"""Heartbeats on disk for components that have no port to ask: a file that their main loop touches.

The worker touches it from its own timer (see `worker`). The dag-processor and the triggerer record
a heartbeat in the database every five seconds, and only while their loops turn;
`mirror_job_heartbeats` touches the file whenever they do. The names of the files contain the
component, since one task may run several. Standard library only at import: the health check reads
the same file.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Any, Final

MIRRORED: Final = frozenset({"dag-processor", "triggerer"})
COMPONENTS: Final = MIRRORED | {"worker"}


def waiting_for_schema(component: str) -> str:
    """The name of the heartbeat of a component that waits for the database schema."""
    return f"{component}-waiting-for-schema"


def path_of(name: str, home: str | None = None) -> Path:
    """The file of one heartbeat, under this container's AIRFLOW_HOME."""
    return Path(home or os.environ["AIRFLOW_HOME"], "health", name)


def beat(name: str) -> None:
    """Record that `name` is alive now. A full disk must not end the process."""
    path = path_of(name)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def clear(name: str) -> None:
    """Remove a heartbeat, also one left by an earlier process."""
    with contextlib.suppress(OSError):
        path_of(name).unlink(missing_ok=True)


def age(name: str, home: str | None = None) -> float | None:
    """Seconds since the last beat, or None if there was none."""
    try:
        return max(0.0, time.time() - path_of(name, home).stat().st_mtime)
    except OSError:
        return None


def mirror_job_heartbeats(component: str) -> None:
    """Touch `component`'s file whenever this process updates its row in Airflow's table of jobs."""
    from airflow.jobs.job import Job
    from sqlalchemy import event

    def on_job_update(_mapper: Any, _connection: Any, _job: Job) -> None:
        beat(component)

    event.listen(Job, "after_update", on_job_update)
