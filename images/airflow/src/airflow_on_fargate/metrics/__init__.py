"""Airflow's metrics, as lines of the container's log from which CloudWatch makes metrics.

Airflow sends statsd packets from all its processes; task processes and the parsers of DAG files are
forked, and their standard output is not the container's. So one thread of the component's main
process receives the packets on a port of the loopback interface, adds them up, and once a minute
writes lines in the embedded metric format. No agent and no second container is needed.

`contracts.metrics.series` is the list of series; packets of other metrics are not even sent.
Only where EMIT_METRICS is `true`; otherwise no thread runs, and Airflow sends nothing.
"""

import os

from airflow_on_fargate.contracts.metrics.series import BY_SOURCE, EMIT
from airflow_on_fargate.contracts.names import SCHEDULER, WORKER
from airflow_on_fargate.metrics.aggregate import PREFIX


def install(component: str) -> None:
    """Start the collector of this process, and tell Airflow its port; before Airflow starts."""
    if os.environ.get(EMIT) != "true":
        return
    from airflow_on_fargate.metrics.collector import Collector

    collector = Collector(component, os.environ.get("STACK_NAME", "unknown"))
    if component == SCHEDULER:
        from airflow_on_fargate.metrics.oldest_task import oldest_queued_task

        collector.add_probe(oldest_queued_task)
    if component == WORKER:
        from airflow_on_fargate.metrics.usage import Usage

        if usage := Usage.from_environment(os.environ):
            collector.add_probe(usage.measure)
    os.environ.update(airflow_settings(collector.start()))


def airflow_settings(port: int) -> dict[str, str]:
    """The options of Airflow with which every process sends to this port.

    They win over those of the user: without them the series of the list would be missing.
    """
    return {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(port),
        "AIRFLOW__METRICS__STATSD_PREFIX": PREFIX,
        "AIRFLOW__METRICS__STATSD_DATADOG_ENABLED": "False",
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "False",
        # Names without DAG, task or pool in them; the same metrics under their older names would
        # double the packets.
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",
        # Regular expressions, matched at the beginning.
        "AIRFLOW__METRICS__METRICS_ALLOW_LIST": ",".join(
            source.replace(".", r"\.") + "$" for source in BY_SOURCE
        ),
        "AIRFLOW__METRICS__METRICS_BLOCK_LIST": "",
    }
