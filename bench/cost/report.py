"""The bill as text: what the class consists of, the lines, the total, what is not included."""

from collections.abc import Sequence

from bench.cost.bill import (
    FREE_ALARMS,
    FREE_DASHBOARDS,
    HOURS,
    Comparison,
    Line,
    total,
)
from bench.cost.environment import Environment
from bench.scaling.tables import table

_NETWORKS = {
    "public": "tasks in public subnets, each with a public IPv4 address",
    "single-nat": "tasks in private subnets, one NAT gateway",
    "nat-per-zone": "tasks in private subnets, a NAT gateway in each zone",
}

_NOT_INCLUDED = """\
Free while idle: CloudFront (no charge for a distribution or a VPC origin, only for traffic), SQS
queues without workers, EventBridge rules and schedules, the S3 gateway endpoint, certificates.
Not included: workers, data transfer, logs beyond an account's free 5 GB, stored files, snapshots
beyond the size of the database, and custom metrics beyond an account's free 10. The free tier of
Lambda and SQS is not subtracted."""


def description(environment: Environment) -> str:
    parts = [
        f"{tasks.count} {tasks.name} {'task' if tasks.count == 1 else 'tasks'} "
        f"({_number(tasks.vcpu)} vCPU, {_number(tasks.gib)} GiB)"
        for tasks in environment.tasks
    ]
    database, worker = environment.database, environment.worker
    zones = "with a standby in a second zone" if database.is_multi_az else "in one zone"
    parts += [
        f"a {database.instance} database of {database.gib} GiB {zones}",
        _NETWORKS[environment.network_mode],
        f"up to {worker.max_count} workers ({_number(worker.vcpu)} vCPU, {_number(worker.gib)} "
        f"GiB, {worker.slots} task slots)",
    ]
    return f"{environment.name}: {'; '.join(parts)}."


def bill_table(lines: Sequence[Line], region: str) -> str:
    rows: list[list[str]] = [
        [
            line.item,
            _number(line.quantity),
            line.price.unit,
            _price(line, region),
            f"{line.usd:.2f}",
        ]
        for line in lines
    ]
    rows.append(["**total**", "", "", "", f"**{total(list(lines)):.2f}**"])
    return table(["item", "quantity", "unit", "USD per unit", "USD per month"], rows)


def report(
    environment: Environment,
    lines: Sequence[Line],
    region: str,
    worker_usd_per_hour: float,
    compared: Sequence[Comparison],
) -> str:
    inventory = environment.inventory
    monthly = total(list(lines))
    paragraphs = [
        description(environment),
        bill_table(lines, region),
        *_footnotes(lines, region),
        f"CloudWatch: {inventory.alarms} alarms and {inventory.dashboards} dashboards; an account "
        f"has {FREE_ALARMS} alarms and {FREE_DASHBOARDS} dashboards free.",
        f"A worker costs {worker_usd_per_hour:.4f} USD per hour while it runs, from the pull of "
        "its image to its exit.",
        table(
            ["for comparison", "USD per month", "times this bill"],
            [[each.name, f"{each.usd:.2f}", f"{each.usd / monthly:.1f}"] for each in compared],
        ),
        f"List prices of {region} for {HOURS} hours; dates and sources: bench/cost/prices.csv. The "
        "MWAA prices are those of the environment alone, in us-east-1.",
        _NOT_INCLUDED,
    ]
    return "\n\n".join(paragraphs)


def summary(rows: Sequence[tuple[Environment, Sequence[Line]]]) -> str:
    """All classes side by side."""
    return "\n\n".join([*(description(environment) for environment, _ in rows), class_table(rows)])


def class_table(rows: Sequence[tuple[Environment, Sequence[Line]]]) -> str:
    return table(
        ["class", "USD per month, idle", "vCPU, idle", "vCPU, all workers"],
        [
            [
                environment.name,
                f"{total(list(lines)):.2f}",
                _number(environment.idle_vcpu),
                _number(environment.most_vcpu),
            ]
            for environment, lines in rows
        ],
    )


def _footnotes(lines: Sequence[Line], region: str) -> list[str]:
    if all(line.price.region in (region, "global") for line in lines):
        return []
    return [f"\\* The price table has no row for {region}: this is the price of us-east-1."]


def _price(line: Line, region: str) -> str:
    mark = "" if line.price.region in (region, "global") else " *"
    return f"{line.price.usd:.10f}".rstrip("0").rstrip(".") + mark


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value >= 10 else f"{value:.3g}"
