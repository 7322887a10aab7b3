"""Writes docs/cost.md and its drawing: python -m bench.cost.page --out docs

A test compares the files with what this module makes, so that a changed price, class or template
cannot leave the page behind.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from bench.cost import mwaa, report
from bench.cost.bill import FREE_LOG_GB, Bill, bill, worker_usd_per_hour
from bench.cost.environment import FREE_TYPES, class_names
from bench.cost.options import WORDS
from bench.cost.prices import HOME_REGION, HOURS, PriceTable
from bench.cost.profiles import environment_of
from bench.cost.workloads import IDLE, NAMES, work_of
from bench.scaling.drawings import lines
from bench.scaling.tables import table

PAGE = "cost.md"
DRAWING = "cost-break-even.svg"

# One-minute tasks a night.
_STEPS = (0, 500, 1000, 2000, 3000, 4000, 6000, 8000, 10_000, 12_000)
_DRAWN_CLASSES = ("micro", "small", "medium")

# The word that needs another one, `redis`.
_FLOWER = "flower"

# What a choice is called, and its parameters.
_CHOICES: Mapping[str, Sequence[str]] = {
    "`IngressMode=load-balancer` or `http-without-tls`": ["IngressMode=load-balancer"],
    "`IngressMode=internal`": ["IngressMode=internal"],
    "`NetworkMode=public`": ["NetworkMode=public"],
    "`NetworkMode=single-nat`": ["NetworkMode=single-nat"],
    "`NetworkMode=nat-per-zone`": ["NetworkMode=nat-per-zone"],
    "`Vpc=vpc-…`: a network of your own": ["Vpc=vpc-1"],
    "`Database=db.t4g.micro/20/single-az`": ["Database=db.t4g.micro/20/single-az"],
    "`Database=db.t4g.micro/20/multi-az`": ["Database=db.t4g.micro/20/multi-az"],
    "`Database=db.t4g.small/20/single-az`": ["Database=db.t4g.small/20/single-az"],
    "`Database=db.t4g.medium/50/multi-az`": ["Database=db.t4g.medium/50/multi-az"],
    "`Database=db.t4g.large/50/multi-az`": ["Database=db.t4g.large/50/multi-az"],
    "`AirflowImageUri=…`: an image of your own": ["AirflowImageUri=example/airflow:1"],
    "`FernetKeySecretArn=…`": ["FernetKeySecretArn=arn:aws:secretsmanager:::secret:kept"],
    "`WorkerQueueNames`, each additional queue": ["WorkerQueueNames=heavy"],
}

_HEAD = """\
# What it costs

Written by `make cost-page`; do not edit. Everything here is computed from list prices (dates and
sources: [prices.csv](../bench/cost/prices.csv)); nothing has been billed, because nothing has run
on AWS yet. `python -m bench.cost --profile medium --set NetworkMode=single-nat --workload mix`
prints the lines of any other choice (`--help`: profiles of samconfig.toml, regions, workloads).

A region needs rows in prices.csv. Where a region has no row for something, the price of us-east-1
is taken, and a `*` says so."""

_IDLE = """\
## Idle

Without any task, for 730 hours. MWAA: environment and 10 GB of database, without its network; its
prices are those of us-east-1, because no others are in the table. An idle MWAA Serverless costs
nothing."""

_WORK = """\
## With work

Each workload is the work of one day, every day. `nightly-2000` is 2,000 tasks of one minute that
are due at the same moment; the others are the traces of [the scaling benchmark](scaling/README.md).
The hours of workers are simulated, ours with the scaler's own code and the class's
`WorkerMaxCount`, MWAA's with its documented rule and at most ten workers (one in mw1.micro). USD a
month in us-east-1; `–`: the work of a day does not fit in a day."""

_WAIT = """\
Less is not always cheaper work: the fewer slots there are, the longer tasks wait. 95 % of the tasks
of a day wait less than this. What MWAA Serverless makes tasks wait is not published."""

_LINES = """\
## Line by line

USD a month of an idle class in us-east-1, with `IngressMode=cloudfront` and ARM."""

_CHOICES_HEAD = """\
## Choices

What a choice adds to the idle class, USD a month in us-east-1. `0.00` is a choice without a price
of its own, `–` what the class has anyway."""

_BREAK_EVEN = """\
## Break-even

![USD a month by tasks of one minute a night](cost-break-even.svg)"""

_ZEROS = """\
## What has no line

Every type of resource in the templates has a line above or one of these reasons."""

_TAGS = """\
## Who pays

Everything that takes tags has the tag `airflow-on-fargate` with the name of the root stack: the
root gives it to its nested stacks, CloudFormation to their resources, and ECS to tasks. Activate it
once in the account (Billing, Cost allocation tags), and Cost Explorer groups by it from the next
day on. Tags of your own come with `sam deploy --tags team=data`; they reach the same resources. ECS
adds `aws:ecs:clusterName` to each task, and to those of services `aws:ecs:serviceName`, so workers
and control plane can be told apart. Not tagged, because AWS offers no tags for them: single
schedules, log streams, and the requests of S3 and SQS beyond those of their bucket or queue.

Which DAG the workers worked for is in Airflow's own history. Run
[a command](../README.md#run-an-airflow-command):

```console
{"command": ["worker-hours", "--days", "30", "--usd-per-hour", "0.0516"], "wait": true}
```

It prints a row for each DAG. The time of a worker is divided evenly among the tasks that run on it
at the same moment, so a DAG that leaves slots empty pays for them:

```
DAG    | tasks | task hours | worker hours |  share |  USD
=======+=======+============+==============+========+=====
orders |    90 |      30.00 |         9.00 |  75.0% | 0.46
mail   |   180 |       6.00 |         3.00 |  25.0% | 0.15
all    |   270 |      36.00 |        12.00 | 100.0% | 0.62
Within 30 days, from Airflow's history.
```

Time in which workers start, wait and exit is in no DAG's history. With `--worker-hours` from the
bill the last line says how much it was, and each DAG pays its share of it. Time in which a task was
deferred counts as time on its worker, because the history has only its start and its end. The price
of an hour is in the output of `python -m bench.cost`."""


def page() -> dict[str, str]:
    """Name of a file → its text."""
    home = PriceTable.load(HOME_REGION)
    series = _series(home)
    parts = [
        _HEAD,
        _IDLE,
        _idle_table(),
        _WORK,
        _work_table(home, lambda usd, _: f"{usd:.2f}"),
        _WAIT,
        _work_table(home, lambda _, waiting: waiting),
        _BREAK_EVEN,
        _break_even(series),
        _LINES,
        _lines_table(home),
        report.NOT_INCLUDED,
        _CHOICES_HEAD,
        _choices_table(home),
        _workers(home),
        _ZEROS,
        _zeros(),
        _TAGS,
    ]
    drawing = lines("One-minute tasks a night", "tasks a night", "USD a month, us-east-1", series)
    return {PAGE: "\n\n".join(parts) + "\n", DRAWING: drawing}


def _bill(name: str, prices: PriceTable, workload: str = IDLE, *settings: str) -> Bill:
    environment = environment_of(name, settings)
    return bill(environment, prices, work_of(workload, environment.worker))


def _idle_table() -> str:
    regions = [PriceTable.load(region) for region in PriceTable.regions()]
    rows = []
    for name in class_names():
        bills = [_bill(name, prices) for prices in regions]
        rows.append(
            [
                name,
                *(
                    f"{found.total:.2f}{_mark(found, prices)}"
                    for found, prices in zip(bills, regions, strict=True)
                ),
            ]
        )
    for size in mwaa.SIZES:
        found = mwaa.environment(regions[0], size.name, IDLE)
        rows.append([found.name, f"{found.usd:.2f}", *["no price known"] * (len(regions) - 1)])
    return table(["USD a month", *(prices.region for prices in regions)], rows)


def _mark(found: Bill, prices: PriceTable) -> str:
    """Says how much of the total has prices of the region itself."""
    own = sum(line.usd for line in found.lines if line.price.region in (prices.region, "global"))
    share = own / found.total
    return "" if share == 1 else f" * ({share:.0%} at prices of the region)"


def _work_table(prices: PriceTable, cell: Callable[[float, str], str]) -> str:
    names = class_names()
    rows = []
    for workload in NAMES:
        if workload == IDLE:
            continue
        cells = []
        for name in names:
            found = _bill(name, prices, workload)
            fits = found.work.fits_in_a_day
            cells.append(cell(found.total, report.wait(found.work)) if fits else "–")
        for each in mwaa.comparisons(prices, workload):
            waiting = report.wait(each.work) if each.is_wait_known else ""
            cells.append(cell(each.usd, waiting) if each.work.fits_in_a_day else "–")
        rows.append([workload, *cells])
    headers = [*(f"mw1.{size.name}" for size in mwaa.SIZES), "Serverless"]
    return table(["workload", *names, *headers], rows)


def _series(prices: PriceTable) -> dict[str, list[tuple[float, float]]]:
    """USD a month by tasks a night, as long as the work fits in a day."""
    series: dict[str, list[tuple[float, float]]] = {}

    def add(name: str, count: int, usd: float, fits: bool) -> None:
        if fits:
            series.setdefault(name, []).append((count, usd))

    for count in _STEPS:
        workload = f"nightly-{count}"
        for name in _DRAWN_CLASSES:
            found = _bill(name, prices, workload)
            add(f"class {name}", count, found.total, found.work.fits_in_a_day)
        for each in mwaa.comparisons(prices, workload):
            add(each.name, count, each.usd, each.work.fits_in_a_day)
    return series


def _break_even(series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    sentences = []
    for name in _DRAWN_CLASSES:
        crossing = _crossing(series[f"class {name}"], series[mwaa.SERVERLESS])
        found = (
            f"from about {crossing:,.0f} tasks of a minute a night on"
            if crossing
            else f"not up to {_STEPS[-1]:,} tasks of a minute a night"
        )
        sentences.append(f"- Class `{name}` costs less than MWAA Serverless {found}.")
    for name, size in (("micro", "mw1.micro"), ("small", "mw1.small")):
        both = zip(series[f"class {name}"], series[f"MWAA {size}"], strict=False)
        if all(ours < theirs for (_, ours), (_, theirs) in both):
            sentences.append(f"- Class `{name}` costs less than {size} with any of this work.")
    sentences.append(
        "- MWAA Serverless runs YAML workflows, without Airflow's UI, connections and plugins."
    )
    return "\n".join(sentences)


def _crossing(
    ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]]
) -> float | None:
    gaps = [(count, our - their) for (count, our), (_, their) in zip(ours, theirs, strict=False)]
    for (start, before), (end, after) in pairwise(gaps):
        if before > 0 >= after:
            return float(round(start + (end - start) * before / (before - after), -2))
    return None


def _lines_table(prices: PriceTable) -> str:
    bills = [_bill(name, prices) for name in class_names()]
    items: dict[str, list[str]] = {}
    for column, found in enumerate(bills):
        for line in found.lines:
            row = items.setdefault(_item(line.item), [""] * len(bills))
            row[column] = f"{line.usd:.2f}"
    rows = [[item, *cells] for item, cells in items.items()]
    rows.append(["**total**", *(f"**{found.total:.2f}**" for found in bills)])
    notes = {f"- {line.item}: {line.note}." for found in bills for line in found.lines if line.note}
    classes = table(["USD a month", *class_names()], rows)
    return "\n\n".join([classes, "\n".join(sorted(notes))])


def _item(item: str) -> str:
    """The instance class is that of the class: one row for all."""
    return "RDS instance" if item.startswith("RDS db.") else item


def _choices_table(prices: PriceTable) -> str:
    names = class_names()
    choices = {
        **_CHOICES,
        **{f"`Options={word}`": [f"Options={word}"] for word in WORDS if word != _FLOWER},
        f"`Options={_FLOWER}`, with `redis`": [f"Options=redis,{_FLOWER}"],
    }
    idle = {name: _bill(name, prices) for name in names}
    rows = []
    for choice, settings in choices.items():
        cells = []
        for name in names:
            found = _bill(name, prices, IDLE, *settings)
            more = found.total - idle[name].total
            same = found.environment == idle[name].environment
            cells.append("–" if same else f"{more + 0.0:+.2f}".replace("+0.00", "0.00"))
        rows.append([choice, *(cell.replace("-0.00", "0.00") for cell in cells)])
    return table(["choice", *names], rows)


def _workers(prices: PriceTable) -> str:
    rows = [
        [name, f"{worker_usd_per_hour(environment_of(name, ()), prices):.4f}"]
        for name in class_names()
    ]
    return "\n\n".join(
        [
            "An hour of a worker, from the pull of its image to its exit:",
            table(["class", "USD an hour"], rows),
            _more(prices),
        ]
    )


def _more(prices: PriceTable) -> str:
    nat = prices.find("VPC", "NAT gateway data").usd
    endpoint = prices.find("VPC", "Interface endpoint").usd * HOURS
    ingest = prices.find("CloudWatch", "Logs ingest standard").usd
    kept = prices.find("CloudWatch", "Logs storage").usd
    stored = prices.find("S3", "Standard storage").usd
    build = prices.find("CodeBuild", "general1.small Linux").usd
    out = prices.find("Data transfer", "Out to internet").usd
    return "\n".join(
        [
            "What grows with use, in USD:",
            "",
            f"- each GB through a NAT gateway {nat:.3f}, each GB to the internet {out:.2f};",
            f"- logs: each GB beyond the {FREE_LOG_GB} GB that an account has free {ingest:.2f}, "
            f"and {kept:.2f} for each month that it is kept;",
            f"- task logs, DAG files and access logs in S3: {stored:.3f} for each GB and month;",
            f"- an image built by CodeBuild (x86): {build:.3f} for each minute; the function that "
            "builds it otherwise: at most 0.04 for a build;",
            f"- in a network of your own, each interface endpoint: {endpoint:.2f} a month in each "
            "zone.",
        ]
    )


def _zeros() -> str:
    by_reason: dict[str, list[str]] = {}
    for kind, reason in FREE_TYPES.items():
        by_reason.setdefault(reason, []).append(kind.removeprefix("AWS::"))
    return "\n".join(
        f"- {reason}: {', '.join(sorted(kinds))}" for reason, kinds in by_reason.items()
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cost.page", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    out = parser.parse_args(argv).out
    for name, text in page().items():
        (out / name).write_text(text, encoding="utf-8")
        print(out / name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
