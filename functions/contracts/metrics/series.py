"""Airflow's metrics in CloudWatch: the series that somebody acts on, and nothing else.

Each series costs 0.30 USD a month (list price of us-east-1), so this list is the bill. The image
writes them (`airflow_on_fargate/metrics`), the dashboard and alarms show them; tests compare both
with this list. All have one dimension, the stack; the values of several tasks and processes
become one series, which is why alarms look at sums, maxima and minima.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..names import API_SERVER, DAG_PROCESSOR, SCHEDULER, TRIGGERER, WORKER

NAMESPACE: Final = "AirflowOnFargate"
DIMENSION: Final = "Stack"
# The variable of a container whose processes send metrics.
EMIT: Final = "EMIT_METRICS"


class Kind(StrEnum):
    # The sum of a minute.
    COUNTER = "counter"
    # The last, the lowest and the highest value of a minute.
    GAUGE = "gauge"
    # Each duration of a minute, in milliseconds; at most 100 of them.
    TIMER = "timer"


class Unit(StrEnum):
    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    SECONDS = "Seconds"
    PERCENT = "Percent"


@dataclass(frozen=True)
class Series:
    """One series: `source` is Airflow's name of it, or that of a value which the image measures."""

    source: str
    name: str
    unit: Unit
    kind: Kind
    component: str
    meaning: str


SERIES: Final = (
    Series("scheduler_heartbeat", "SchedulerHeartbeat", Unit.COUNT, Kind.COUNTER, SCHEDULER,
           "the scheduler's loop turns"),
    Series("scheduler.scheduler_loop_duration", "SchedulerLoopDuration", Unit.MILLISECONDS,
           Kind.TIMER, SCHEDULER, "how long one turn takes"),
    Series("scheduler.critical_section_duration", "CriticalSectionDuration", Unit.MILLISECONDS,
           Kind.TIMER, SCHEDULER, "how long it queues tasks under its lock"),
    Series("scheduler.tasks.starving", "TasksStarving", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "tasks that could run, but find no slot in their pool"),
    Series("scheduler.tasks.executable", "TasksExecutable", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "tasks that a turn queues"),
    Series("scheduler.dagruns.running", "DagRunsRunning", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "DAG runs in progress"),
    Series("executor.open_slots", "ExecutorOpenSlots", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "tasks that [core] parallelism still allows"),
    Series("executor.queued_tasks", "ExecutorQueuedTasks", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "tasks that the executor has not sent yet"),
    Series("executor.running_tasks", "ExecutorRunningTasks", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "tasks that were sent and have not ended"),
    Series("pool.open_slots", "PoolOpenSlots", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "free slots; the minimum is that of the fullest pool"),
    Series("pool.starving_tasks", "PoolStarvingTasks", Unit.COUNT, Kind.GAUGE, SCHEDULER,
           "tasks that wait for a pool; the maximum is that of the worst pool"),
    Series("dagrun.schedule_delay", "ScheduleDelay", Unit.MILLISECONDS, Kind.TIMER, SCHEDULER,
           "how late scheduled runs start"),
    Series("dagrun.duration.success", "DagRunDuration", Unit.MILLISECONDS, Kind.TIMER, SCHEDULER,
           "duration of runs that succeeded; the sample count is their number, up to 100 a minute"),
    Series("dagrun.duration.failed", "FailedDagRunDuration", Unit.MILLISECONDS, Kind.TIMER,
           SCHEDULER, "the same of runs that failed"),
    Series("task_instances_without_heartbeats_killed", "TasksWithoutHeartbeat", Unit.COUNT,
           Kind.COUNTER, SCHEDULER, "tasks that were given up because their worker is silent"),
    Series("scheduler.tasks.killed_externally", "TasksKilledExternally", Unit.COUNT, Kind.COUNTER,
           SCHEDULER, "tasks whose end Celery reports and Airflow does not know"),
    Series("queued.oldest", "OldestQueuedTask", Unit.SECONDS, Kind.GAUGE, SCHEDULER,
           "how long the oldest queued task has waited"),
    Series("task.queued_duration", "TaskQueuedDuration", Unit.MILLISECONDS, Kind.TIMER, API_SERVER,
           "how long tasks were queued when they started"),
    Series("dag_processor_heartbeat", "DagProcessorHeartbeat", Unit.COUNT, Kind.COUNTER,
           DAG_PROCESSOR, "the dag-processor's loop turns"),
    Series("dag_processing.total_parse_time", "DagParseTime", Unit.SECONDS, Kind.GAUGE,
           DAG_PROCESSOR, "how long it takes to parse all files once"),
    Series("dag_processing.import_errors", "DagImportErrors", Unit.COUNT, Kind.GAUGE, DAG_PROCESSOR,
           "files that cannot be imported"),
    Series("dag_processing.processor_timeouts", "DagParseTimeouts", Unit.COUNT, Kind.COUNTER,
           DAG_PROCESSOR, "files that took too long to parse"),
    Series("triggerer_heartbeat", "TriggererHeartbeat", Unit.COUNT, Kind.COUNTER, TRIGGERER,
           "the triggerer's loop turns"),
    Series("triggers.running", "TriggersRunning", Unit.COUNT, Kind.GAUGE, TRIGGERER,
           "deferred tasks that it watches"),
    Series("triggerer.capacity_left", "TriggererCapacityLeft", Unit.COUNT, Kind.GAUGE, TRIGGERER,
           "how many more it would watch"),
    Series("triggers.failed", "TriggersFailed", Unit.COUNT, Kind.COUNTER, TRIGGERER,
           "triggers that failed"),
    Series("ti_successes", "TaskSuccesses", Unit.COUNT, Kind.COUNTER, WORKER,
           "tasks that succeeded"),
    Series("ti_failures", "TaskFailures", Unit.COUNT, Kind.COUNTER, WORKER,
           "attempts that failed, those that are retried included"),
    Series("worker.cpu", "WorkerCpu", Unit.PERCENT, Kind.GAUGE, WORKER,
           "CPU of a worker; the maximum is that of the busiest"),
    Series("worker.memory", "WorkerMemory", Unit.PERCENT, Kind.GAUGE, WORKER,
           "memory of a worker; the maximum is that of the fullest"),
)  # fmt: skip
BY_SOURCE: Final = {series.source: series for series in SERIES}
