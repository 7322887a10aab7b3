"""The bill as text: what the class consists of, the lines, the total, what is not included."""

from collections.abc import Sequence

from bench.cost.bill import Bill
from bench.cost.environment import OWN_NETWORK, Environment
from bench.cost.mwaa import Comparison
from bench.cost.options import Line
from bench.cost.prices import HOURS
from bench.cost.workloads import IDLE, Work
from bench.scaling.tables import table

_NETWORKS = {
    "public": "tasks in public subnets, each with a public IPv4 address",
    "single-nat": "tasks in private subnets, one NAT gateway",
    "nat-per-zone": "tasks in private subnets, a NAT gateway in each zone",
    OWN_NETWORK: "a network of your own, which is not on this bill",
}

NOT_INCLUDED = """\
Not included: traffic, stored files, snapshots beyond the size of the database, CPU credits of a
`db.t4g` instance above its baseline, custom metrics beyond an account's free 10, and what your
tasks call. The free tier of Lambda and SQS is not subtracted."""


def description(environment: Environment) -> str:
    parts = [
        f"{tasks.count} {tasks.name} {'task' if tasks.count == 1 else 'tasks'} "
        f"({number(tasks.vcpu)} vCPU, {number(tasks.gib)} GiB)"
        for tasks in environment.tasks
    ]
    database, worker = environment.database, environment.worker
    zones = "with a standby in a second zone" if database.is_multi_az else "in one zone"
    parts += [
        f"a {database.instance} database of {database.gib} GiB {zones}",
        _NETWORKS[environment.network_mode],
        f"up to {worker.max_count} workers ({number(worker.vcpu)} vCPU, {number(worker.gib)} "
        f"GiB, {worker.slots} task slots)",
    ]
    return f"{environment.name}: {'; '.join(parts)}."


def bill_table(lines: Sequence[Line], region: str) -> str:
    rows: list[list[str]] = [
        [
            line.item,
            number(line.quantity),
            line.price.unit,
            _price(line, region),
            f"{line.usd:.2f}",
        ]
        for line in lines
    ]
    total = sum(line.usd for line in lines)
    rows.append(["**total**", "", "", "", f"**{total:.2f}**"])
    return table(["item", "quantity", "unit", "USD per unit", "USD per month"], rows)


def report(
    shown: Bill, region: str, worker_usd_per_hour: float, compared: Sequence[Comparison]
) -> str:
    paragraphs = [
        description(shown.environment),
        *_work(shown.work),
        bill_table(shown.lines, region),
        *footnotes(shown.lines, region),
        *(f"{line.item}: {line.note}." for line in shown.lines if line.note),
        f"A worker costs {worker_usd_per_hour:.4f} USD per hour while it runs, from the pull of "
        "its image to its exit.",
        table(
            ["for comparison", "USD per month", "times this bill", "95 % of tasks wait less than"],
            [
                [
                    each.name,
                    _usd(each),
                    f"{each.usd / shown.total:.1f}",
                    wait(each.work) if each.is_wait_known else "not known",
                ]
                for each in compared
            ],
        ),
        f"List prices of {region} for {HOURS} hours; dates and sources: bench/cost/prices.csv. The "
        "MWAA prices are those of us-east-1: the environment, its additional workers and its "
        "database, without a network.",
        NOT_INCLUDED,
    ]
    return "\n\n".join(paragraphs)


def wait(done: Work) -> str:
    if done.name == IDLE:
        return ""
    if not done.fits_in_a_day:
        return "the work does not fit in a day"
    minutes = done.p95_wait_seconds / 60
    return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"


def _usd(each: Comparison) -> str:
    return f"{each.usd:.2f}" if each.work.fits_in_a_day else "–"


def _work(done: Work) -> list[str]:
    if done.name == IDLE:
        return []
    return [
        f"Work: {done.name}, every day; {number(done.tasks)} tasks a month that run for "
        f"{number(done.task_hours)} hours, on workers for {number(done.worker_hours)} hours "
        f"(simulated). 95 % of the tasks wait less than {wait(done)}."
    ]


def summary(bills: Sequence[Bill]) -> str:
    """All classes side by side."""
    return "\n\n".join([*(description(each.environment) for each in bills), class_table(bills)])


def class_table(bills: Sequence[Bill]) -> str:
    how = "idle" if bills[0].work.name == IDLE else bills[0].work.name
    return table(
        ["class", f"USD per month, {how}", "vCPU, idle", "vCPU, all workers"],
        [
            [
                each.environment.name,
                f"{each.total:.2f}",
                number(each.environment.idle_vcpu),
                number(each.environment.most_vcpu),
            ]
            for each in bills
        ],
    )


def footnotes(lines: Sequence[Line], region: str) -> list[str]:
    if all(line.price.region in (region, "global") for line in lines):
        return []
    return [f"\\* The price table has no row for {region}: this is the price of us-east-1."]


def _price(line: Line, region: str) -> str:
    mark = "" if line.price.region in (region, "global") else " *"
    return f"{line.price.usd:.10f}".rstrip("0").rstrip(".") + mark


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value >= 10 else f"{value:.3g}"
