"""Airflow's command line for the components that need patches or hooks of this package.

Run as `python -m airflow_on_fargate.component dag-processor`.
"""

import sys

from airflow_on_fargate import entrypoint, forecast, heartbeat, metrics, patches
from airflow_on_fargate.releases import watch


def main() -> None:
    """Apply what the component needs, then run `airflow` with the same arguments."""
    from airflow.__main__ import main as airflow

    component = entrypoint.component_of(sys.argv[1:])
    try:
        patches.apply_for(component)
    except patches.PatchError as error:
        sys.exit(f"The {component} cannot start. {error}")
    # Before anything is forked: other processes send to the port that is then in the environment.
    metrics.install(component)
    if component in heartbeat.MIRRORED:
        heartbeat.mirror_job_heartbeats(component)
    if component == "scheduler":
        forecast.install()
    if component == "dag-processor":
        watch.install()
    airflow()


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__" and sys.argv[1:2] == ["api-server"]:
    # With [api] workers above 1, uvicorn starts new interpreters, which import this module first.
    patches.apply_for("api-server")
