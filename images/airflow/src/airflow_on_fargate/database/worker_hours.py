"""`worker-hours [--days 30] [--usd-per-hour PRICE] [--worker-hours HOURS]`: what each DAG used.

From the history of task instances: on which host each task ran, from when until when. While several
tasks run on a worker, its time is divided evenly among them, so a DAG that leaves slots empty gets
the whole worker. Not in the history: the time in which a worker starts, waits and exits. Time in
which a task was deferred counts, because the history has only its start and its end.
"""

import argparse
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

_ROWS_AT_ONCE: Final = 5000
_STATEMENT_TIMEOUT: Final = "SET LOCAL statement_timeout = '300s'"

# Former tries are in a table of their own. A task that still runs has run until now.
_SPANS: Final = """
    SELECT hostname, dag_id, greatest(start_date, :since), least(coalesce(end_date, :now), :now)
    FROM (
        SELECT hostname, dag_id, start_date, end_date, state FROM task_instance
        UNION ALL
        SELECT hostname, dag_id, start_date, end_date, state FROM task_instance_history
    ) AS tried
    WHERE hostname <> '' AND start_date < :now
      AND (end_date > :since OR end_date IS NULL AND state = 'running')
    ORDER BY hostname, start_date
"""


@dataclass(frozen=True)
class Span:
    """A task on a host, between two moments."""

    host: str
    dag_id: str
    start: datetime
    end: datetime


@dataclass
class Use:
    """What the tasks of a DAG used."""

    tasks: int = 0
    task_seconds: float = 0
    worker_seconds: float = 0


@dataclass(frozen=True)
class Request:
    days: int
    usd_per_hour: float | None
    worker_hours: float | None
    most: int


@dataclass
class _Host:
    """The tasks that run on a host at a moment, and the time that was divided until then."""

    running: Counter[str] = field(default_factory=Counter)
    moment: datetime | None = None

    def until(self, moment: datetime, used: dict[str, Use]) -> None:
        count = self.running.total()
        if count and self.moment is not None:
            seconds = (moment - self.moment).total_seconds()
            for dag_id, tasks in self.running.items():
                used[dag_id].worker_seconds += seconds * tasks / count
        self.moment = moment


def main(*arguments: str) -> int:
    request = _request(arguments)
    now = datetime.now(UTC)
    used = divide(_spans(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], request.days, now))
    print(report(used, request))
    return 0


def divide(spans: Iterable[Span]) -> dict[str, Use]:
    """The use of each DAG. The spans come host by host."""
    used: dict[str, Use] = defaultdict(Use)
    for _, on_host in groupby(spans, key=lambda span: span.host):
        changes: list[tuple[datetime, int, str]] = []
        for span in on_host:
            if span.end <= span.start:
                continue
            used[span.dag_id].tasks += 1
            used[span.dag_id].task_seconds += (span.end - span.start).total_seconds()
            changes += [(span.start, 1, span.dag_id), (span.end, -1, span.dag_id)]
        host = _Host()
        for moment, change, dag_id in sorted(changes):
            host.until(moment, used)
            host.running[dag_id] += change
            if not host.running[dag_id]:
                del host.running[dag_id]
    return dict(used)


def report(used: dict[str, Use], request: Request) -> str:
    if not used:
        return f"No task ran on a worker within {request.days} days."
    total = sum(use.worker_seconds for use in used.values())
    ordered = sorted(used.items(), key=lambda item: (-item[1].worker_seconds, item[0]))
    shown = dict(ordered[: request.most])
    if others := ordered[request.most :]:
        shown[f"({len(others)} other DAGs)"] = _sum(use for _, use in others)
    rows = [_row(dag_id, use, total, request) for dag_id, use in shown.items()]
    rows.append(_row("all", _sum(used.values()), total, request))
    header = ["DAG", "tasks", "task hours", "worker hours", "share"]
    if request.usd_per_hour is not None:
        header.append("USD")
    lines = [_table([header, *rows]), f"Within {request.days} days, from Airflow's history."]
    if request.worker_hours is not None:
        lines.append(_rest(total / 3600, request.worker_hours))
    return "\n".join(lines)


def _sum(uses: Iterable[Use]) -> Use:
    together = Use()
    for use in uses:
        together.tasks += use.tasks
        together.task_seconds += use.task_seconds
        together.worker_seconds += use.worker_seconds
    return together


def _row(name: str, use: Use, total: float, request: Request) -> list[str]:
    share = use.worker_seconds / total
    row = [
        name,
        str(use.tasks),
        f"{use.task_seconds / 3600:.2f}",
        f"{use.worker_seconds / 3600:.2f}",
        f"{share:.1%}",
    ]
    if request.usd_per_hour is not None:
        # With the hours on the bill, a DAG pays its share of the idle time too.
        billed = total / 3600 if request.worker_hours is None else request.worker_hours
        row.append(f"{share * billed * request.usd_per_hour:.2f}")
    return row


def _rest(busy: float, billed: float) -> str:
    if billed < busy:
        return (
            f"The history has {busy:.2f} worker hours, more than the {billed:.2f} that you gave: "
            "do both cover the same days? Deferred time counts in the history."
        )
    idle = billed - busy
    return (
        f"Of {billed:.2f} worker hours, tasks ran in {busy:.2f}; in the other {idle:.2f} "
        f"({idle / billed:.0%}) workers started, waited or exited."
    )


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row: list[str]) -> str:
        first, *numbers = row
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        return " | ".join(cells)

    rule = "=+=".join("=" * width for width in widths)
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:])])


def _spans(url: str, days: int, now: datetime) -> Iterator[Span]:
    """One pass over the history, in parts: it may have millions of rows."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)
    bounds: dict[str, Any] = {"since": now - timedelta(days=days), "now": now}
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text(_STATEMENT_TIMEOUT))
        streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
        for row in streaming.execute(text(_SPANS), bounds):
            yield Span(*row)


def _request(arguments: Iterable[str]) -> Request:
    parser = argparse.ArgumentParser(prog="worker-hours", description="What each DAG used.")
    parser.add_argument("--days", type=int, default=30, help="how far back (default: 30)")
    parser.add_argument(
        "--usd-per-hour", type=float, help="price of a worker: bench.cost prints it"
    )
    parser.add_argument("--worker-hours", type=float, help="hours of workers on the bill")
    parser.add_argument("--most", type=int, default=40, help="DAGs with a row (default: 40)")
    found = parser.parse_args(list(arguments))
    if found.days < 1 or found.most < 1:
        parser.error("--days and --most must be 1 or more")
    return Request(found.days, found.usd_per_hour, found.worker_hours, found.most)
