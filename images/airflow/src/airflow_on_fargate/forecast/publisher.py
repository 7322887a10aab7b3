"""Keeps `fleet/forecast.json` up to date from within the scheduler, without delaying it.

The scheduler's own heartbeat sets an event; a daemon thread does the rest at most once a minute,
with a database session of its own. A scheduler whose loop hangs gives no heartbeat, so its forecast
gets old and the scaler ignores it. An error costs only the forecast: workers for runs that were not
forecast start when their tasks are queued.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow_on_fargate.celery import scaler
from airflow_on_fargate.celery.wakeup import WakeUp
from airflow_on_fargate.contracts.forecast import RENEWAL_SECONDS, ForecastRun, PublishedForecast
from airflow_on_fargate.forecast import history
from airflow_on_fargate.forecast.waves import WAVE_SECONDS, WAVES, Waves, entries

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0
HORIZON: Final = timedelta(minutes=15)
# A scheduler without a heartbeat for so long no longer publishes; the next one takes over.
_ALIVE: Final = timedelta(seconds=60)

Look = Callable[[datetime], Sequence[ForecastRun] | None]


class Publisher:
    """Writes changed forecasts. `look` returns None where another scheduler publishes."""

    def __init__(
        self,
        look: Look,
        put: Callable[[bytes], None],
        notify: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._look = look
        self._put = put
        self._notify = notify
        self._clock = clock
        self._written: Sequence[ForecastRun] | None = None
        self._written_at = 0.0

    def publish(self) -> None:
        """Look once. Invoke the scaler when there are runs that it does not know yet."""
        now = self._clock()
        found = self._look(datetime.fromtimestamp(now, UTC))
        if found is None:
            self._written = None
            return
        known = [entry for entry in self._written or () if entry.due > now]
        changed = self._written is None or list(found) != known
        old = bool(found) and now - self._written_at >= RENEWAL_SECONDS
        if not changed and not old:
            return
        self._put(PublishedForecast(now, found).to_bytes())
        if changed and found:
            self._notify()
        self._written, self._written_at = found, now


class DatabaseLook:
    """The due runs from Airflow's database. Histories are kept until their DAG's next run."""

    def __init__(self, own_job: Callable[[], int | None], session: Callable[[], Any]) -> None:
        self._own_job = own_job
        self._session = session
        self._histories: dict[str, tuple[datetime, Mapping[str, Waves]]] = {}

    def __call__(self, now: datetime) -> Sequence[ForecastRun] | None:
        with self._session() as session:
            if history.leader(session, now - _ALIVE) != self._own_job():
                self._histories.clear()
                return None
            since = now - timedelta(seconds=WAVES * WAVE_SECONDS)
            runs = history.runs_to_come(session, now, since, now + HORIZON)
            session.commit()
            self._read(session, dict(runs))
        return entries(
            [
                (moment.timestamp(), self._histories[dag_id][1])
                for dag_id, moment in runs
                if dag_id in self._histories
            ],
            now.timestamp(),
            (now + HORIZON).timestamp(),
        )

    def _read(self, session: Any, latest: Mapping[str, datetime]) -> None:
        """Read the histories of the DAGs that are due: once for each run, not once a minute."""
        self._histories = {dag: kept for dag, kept in self._histories.items() if dag in latest}
        unread = [
            dag_id
            for dag_id, moment in latest.items()
            if dag_id not in self._histories or self._histories[dag_id][0] != moment
        ]
        wanted = unread[: history.MOST_HISTORIES]
        for dag_id, waves in history.waves_of(session, wanted).items():
            self._histories[dag_id] = (latest[dag_id], waves)


def install(environment: Mapping[str, str] = os.environ) -> None:
    """Publish with every heartbeat of this process's scheduler, where forecasts are enabled."""
    url = environment.get("WORKER_FORECAST_OBJECT")
    function_name = environment.get("WORKER_SCALER_FUNCTION_NAME")
    if not url or not function_name:
        return
    from airflow.utils.session import create_session

    try:
        put, notify = scaler.calls(url, function_name)
    except Exception:
        log.exception("Could not create AWS clients; forecasting is disabled")
        return
    job_ids: list[int] = []
    look = DatabaseLook(
        own_job=lambda: job_ids[-1] if job_ids else None,
        session=lambda: create_session(scoped=False),
    )
    publisher = Publisher(look, put, notify)
    thread = WakeUp(
        lambda _: publisher.publish(),
        LOOK_SECONDS,
        name="forecast",
        trouble="The forecast could not be published; workers start when tasks are queued",
    )

    def on_heartbeat(job_id: int) -> None:
        job_ids[:] = [job_id]
        thread.signal()

    scaler.with_each_heartbeat(on_heartbeat)
