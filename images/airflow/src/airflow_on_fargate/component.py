"""Airflow's command line for components that need something of ours.

Run as `python -m airflow_on_fargate.component dag-processor`.
"""

import sys

from airflow_on_fargate import forecast, heartbeat
from airflow_on_fargate.patches import airflow_mends
from airflow_on_fargate.releases import watch


def main() -> None:
    """Run `airflow` with the arguments given, in this process."""
    from airflow.__main__ import main as airflow

    component = sys.argv[1]
    if component in heartbeat.MIRRORED:
        heartbeat.mirror_job_heartbeats(component)
    if component == "scheduler":
        forecast.install()
    if component == "dag-processor":
        airflow_mends.forget_statistics_of_callbacks()
        airflow_mends.drop_parses_that_a_release_overtook()
        watch.install()
    if component == "api-server":
        airflow_mends.create_runs_of_one_release()
    airflow()


if __name__ == "__main__":
    main()
