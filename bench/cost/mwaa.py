"""What Amazon charges for its own environments with the same work.

The environment with one worker, further workers by the hour, and 10 GB of metadata database. A
network, logs and stored files are not included. The slots of a worker are MWAA's defaults. The
class mw1.micro has one worker and no more, the others at most ten, the default of an environment.
Serverless runs tasks without an environment: workflows are YAML, and there is no Airflow UI.
"""

from dataclasses import dataclass

from bench.cost.options import Line
from bench.cost.prices import HOURS, PriceTable
from bench.cost.workloads import Work, without_workers, work

_MOST = 10
_DATABASE_GB = 10


@dataclass(frozen=True)
class Size:
    name: str
    slots: int
    most: int = _MOST


SIZES = (Size("micro", 3, 1), Size("small", 5), Size("medium", 10), Size("large", 20))
SERVERLESS = "MWAA Serverless"


@dataclass(frozen=True)
class Comparison:
    name: str
    work: Work
    # How fast MWAA Serverless starts tasks is not published.
    is_wait_known: bool
    lines: tuple[Line, ...]

    @property
    def usd(self) -> float:
        return sum(line.usd for line in self.lines)


def comparisons(prices: PriceTable, workload: str) -> list[Comparison]:
    return [*(_environment(prices, size, workload) for size in SIZES), serverless(prices, workload)]


def environment(prices: PriceTable, name: str, workload: str) -> Comparison:
    return _environment(prices, next(size for size in SIZES if size.name == name), workload)


def _environment(prices: PriceTable, size: Size, workload: str) -> Comparison:
    done = work(workload, size.slots, size.most, "mwaa-now", 1)
    lines = [
        Line("environment", HOURS, prices.find("MWAA", f"mw1.{size.name} environment")),
        Line("database", _DATABASE_GB, prices.find("MWAA", "Metadata database storage")),
    ]
    if size.most > 1:
        worker = prices.find("MWAA", f"mw1.{size.name} additional worker")
        lines.append(Line("additional workers", done.additional_worker_hours, worker))
    return Comparison(f"MWAA mw1.{size.name}", done, True, tuple(lines))


def serverless(prices: PriceTable, workload: str) -> Comparison:
    done = without_workers(workload)
    line = Line("tasks", done.task_hours, prices.find("MWAA Serverless", "Managed task"))
    return Comparison(SERVERLESS, done, False, (line,))
