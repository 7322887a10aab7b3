"""Which runs are due, and how many slots their predecessors used.

Three kinds of queries to Airflow's database. Each uses an index and is bounded, whatever the number
of DAGs and the length of their history.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from airflow_on_fargate.forecast.waves import WAVE_SECONDS, WAVES, Waves, usual_waves

# Runs of a DAG from which its next one is forecast, and how far back to look for them when manually
# triggered runs lie between.
_RUNS: Final = 5
_RUNS_LOOKED_AT: Final = 50
# How many runs one look considers, and of how many DAGs it reads the history; the next reads more.
MOST_RUNS: Final = 20_000
MOST_HISTORIES: Final = 1000
_DAGS_PER_STATEMENT: Final = 200
_BOUNDS: Final = {
    "runs": _RUNS,
    "runs_looked_at": _RUNS_LOOKED_AT,
    "span": WAVES * WAVE_SECONDS,
    "wave_seconds": WAVE_SECONDS,
}
_STATEMENT_TIMEOUT: Final = "SET LOCAL statement_timeout = '10s'"

# Of several schedulers, the one that started first and is alive publishes.
_LEADER = text("""
    SELECT min(id) FROM job
    WHERE job_type = 'SchedulerJob' AND state = 'running' AND latest_heartbeat > :since
""")

# The scheduler's own query for runs to create, only some minutes ahead. A DAG that only assets
# start has no such time.
_DUE = text("""
    SELECT dag_id, next_dagrun_create_after FROM dag
    WHERE next_dagrun_create_after > :now AND next_dagrun_create_after <= :until
      AND NOT is_paused AND NOT is_stale AND NOT has_import_errors AND NOT exceeds_max_non_backfill
    ORDER BY next_dagrun_create_after LIMIT :most
""")

# Runs that have begun: their later waves are still due.
_BEGUN = text("""
    SELECT dag_id, run_after FROM dag_run
    WHERE run_after > :since AND run_after <= :now AND state = 'running' AND run_type = 'scheduled'
    ORDER BY run_after LIMIT :most
""")

# A slot counts from the moment a task is queued, for as long as the task ran. The time that it
# waited for a worker does not depend on the DAG, so it is left out.
_PEAKS = text("""
    WITH last_run AS (
        SELECT wanted.dag_id, run.run_id, run.start_date
        FROM unnest(CAST(:dag_ids AS text[])) AS wanted (dag_id)
        CROSS JOIN LATERAL (
            SELECT run_id, start_date, logical_date FROM (
                SELECT run_id, start_date, logical_date, run_type, state FROM dag_run
                WHERE dag_id = wanted.dag_id AND logical_date IS NOT NULL
                ORDER BY logical_date DESC LIMIT :runs_looked_at
            ) AS recent
            WHERE run_type = 'scheduled' AND state IN ('success', 'failed')
            ORDER BY logical_date DESC LIMIT :runs
        ) AS run
    ), taken AS (
        SELECT dag_id, run_id, task.queue,
               extract(epoch FROM task.queued_dttm - last_run.start_date) AS since,
               extract(epoch FROM task.end_date - task.start_date) AS duration
        FROM last_run JOIN task_instance AS task USING (dag_id, run_id)
        WHERE task.end_date >= task.start_date
          AND task.queued_dttm >= last_run.start_date
          AND task.queued_dttm < last_run.start_date + make_interval(secs => :span)
    ), change AS (
        SELECT dag_id, run_id, queue, since AS moment, 1 AS slots FROM taken
        UNION ALL SELECT dag_id, run_id, queue, since + duration, -1 FROM taken
    ), in_use AS (
        SELECT dag_id, run_id, queue, moment, sum(slots) OVER (
            PARTITION BY dag_id, run_id, queue ORDER BY moment, slots
            ROWS UNBOUNDED PRECEDING
        ) AS slots
        FROM change
    )
    SELECT dag_id, queue, run_id, CAST(floor(moment / :wave_seconds) AS int) AS wave,
           CAST(max(slots) AS int) AS peak
    FROM in_use WHERE moment < :span
    GROUP BY dag_id, queue, run_id, wave
""")


def leader(session: Any, since: datetime) -> int | None:
    """The id of the scheduler that publishes: the oldest one that is alive since `since`."""
    session.execute(text(_STATEMENT_TIMEOUT))
    found: int | None = session.execute(_LEADER, {"since": since}).scalar()
    return found


def runs_to_come(
    session: Any, now: datetime, since: datetime, until: datetime
) -> Sequence[tuple[str, datetime]]:
    """DAGs and the times at which their runs are due: begun after `since`, or due by `until`.

    Only the next run of each DAG is known: Airflow creates the one after it later.
    """
    session.execute(text(_STATEMENT_TIMEOUT))
    begun = session.execute(_BEGUN, {"now": now, "since": since, "most": MOST_RUNS})
    runs = [(str(dag_id), moment) for dag_id, moment in begun]
    due = session.execute(_DUE, {"now": now, "until": until, "most": MOST_RUNS})
    runs += [(str(dag_id), moment) for dag_id, moment in due]
    return runs


def waves_of(session: Any, dag_ids: Iterable[str]) -> dict[str, Mapping[str, Waves]]:
    """What the next run will use, by DAG and queue; nothing for a DAG that has never run."""
    wanted = list(dag_ids)
    result: dict[str, Mapping[str, Waves]] = {}
    for first in range(0, len(wanted), _DAGS_PER_STATEMENT):
        some = wanted[first : first + _DAGS_PER_STATEMENT]
        session.execute(text(_STATEMENT_TIMEOUT))
        result |= _waves(session.execute(_PEAKS, {"dag_ids": some, **_BOUNDS}), some)
        # One transaction for each batch, so that none is long.
        session.commit()
    return result


def _waves(rows: Iterable[Any], dag_ids: Iterable[str]) -> dict[str, Mapping[str, Waves]]:
    runs: dict[str, set[str]] = defaultdict(set)
    peaks: dict[tuple[str, str], dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for dag_id, queue, run_id, wave, peak in rows:
        runs[dag_id].add(run_id)
        peaks[dag_id, queue][run_id][wave] = peak
    result: dict[str, dict[str, Waves]] = {dag_id: {} for dag_id in dag_ids}
    for (dag_id, queue), by_run in peaks.items():
        # A run that did not use this queue counts too.
        result[dag_id][queue] = usual_waves({run: by_run.get(run, {}) for run in runs[dag_id]})
    return dict(result)
