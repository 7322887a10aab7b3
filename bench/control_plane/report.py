"""The measurements as tables, and the targets that they meet or miss."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.control_plane.records import Record, SchedulerRecord, ServerRecord

Row = tuple[str, Callable[[Any], str]]

_LOAD: Row = ("load of the machine", lambda r: "–".join(f"{each:.0f}" for each in _range(r.load)))
_MEMORY: Row = ("memory, MiB at most", lambda r: _number(r.peak_mebibytes, 0))
_PROCESSOR: Sequence[Row] = (
    ("first DAG visible after the start, s", lambda r: _seconds(r.first_visible)),
    ("all visible after the start, s", lambda r: _visible(r)),
    ("CPU-s for each parse", lambda r: _number(r.cpu_per_parse, 3)),
    ("idle, % of the CPU limit", lambda r: _percent(r.idle_cpu)),
    ("one file changed, put to visible, s: median (longest)", lambda r: _changes(r)),
    ("a change put at a start, until visible, s", lambda r: _seconds(r.change_after_start)),
    ("CPU-s of that start", lambda r: _number(r.cpu_after_start, 1)),
    _MEMORY,
    _LOAD,
)
_SCHEDULER: Sequence[Row] = (
    ("first run created after the start, s", lambda r: _seconds(r.first_run)),
    ("all runs created after the first, s", lambda r: _seconds(r.all_created)),
    ("all runs successful after the first was created, s", lambda r: _succeeded(r)),
    ("runs a second", lambda r: _number(r.runs_per_second, 1)),
    ("tasks a second", lambda r: _number(r.tasks_per_second, 1)),
    ("CPU-s for each task", lambda r: _number(r.cpu_per_task, 3)),
    ("idle afterwards, % of the CPU limit", lambda r: _percent(r.idle_cpu)),
    _MEMORY,
    _LOAD,
)
_SERVER: Sequence[Row] = (
    ("first answer after the start, s", lambda r: _seconds(r.ready)),
    ("one open list and 100 tasks, % of the CPU limit", lambda r: _percent(r.cpu_of_load)),
    ("the list then, s, 95th percentile", lambda r: _number(r.page_p95, 2)),
    ("a heartbeat then, s, 95th percentile", lambda r: _number(r.heartbeat_p95, 3)),
    ("heartbeats a second at most", lambda r: _number(r.heartbeats_per_second, 0)),
    ("CPU-s for each heartbeat", lambda r: _number(r.cpu_per_heartbeat, 4)),
    ("lists a second at most", lambda r: _number(r.pages_per_second, 1)),
    ("CPU-s for each list", lambda r: _number(r.cpu_per_page, 3)),
    ("requests that failed", lambda r: str(r.failed)),
    _MEMORY,
    _LOAD,
)
_PARTS: Sequence[tuple[type, str, Sequence[Row]]] = (
    (Record, "dag-processor", _PROCESSOR),
    (SchedulerRecord, "scheduler", _SCHEDULER),
    (ServerRecord, "api-server", _SERVER),
)


def tables(records: Sequence[Any]) -> str:
    """Markdown: for each component, a row for each size and measurement."""
    parts = []
    for kind, component, rows in _PARTS:
        if of_kind := [record for record in records if type(record) is kind]:
            units = sorted({record.cpu_units for record in of_kind})
            sizes = ", ".join(f"{each / 1024:g} vCPU" for each in units)
            parts.append(f"{component}, {sizes}\n\n{_table(of_kind, rows)}")
    return "\n\n".join(parts)


def _table(records: Sequence[Any], rows: Sequence[Row]) -> str:
    systems = list(dict.fromkeys(record.system for record in records))
    lines = [
        "| files | measured | " + " | ".join(systems) + " |",
        "|---:|---|" + "---:|" * len(systems),
    ]
    found = {(record.system, record.files): record for record in records}
    for files in sorted({record.files for record in records}):
        for title, cell in rows:
            cells = [
                cell(record) if (record := found.get((system, files))) else "" for system in systems
            ]
            lines.append(f"| {files:,} | {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def targets(records: Sequence[Any]) -> list[str]:
    """A line for each target with pass or miss; a miss says what bounds it."""
    lines = []
    for record in records:
        if type(record) is not Record or record.system != "releases":
            continue
        for text, value, limit, bound in _checks(record):
            holds = value is not None and value <= limit
            shown = "not seen" if value is None else f"{value:.2f}"
            line = f"{record.files:,} files: {shown} {text} (at most {limit:g})"
            lines.append(f"pass  {line}" if holds else f"miss  {line}: {bound}")
    return lines


def _checks(record: Record) -> list[tuple[str, float | None, float, str]]:
    """What is measured, its value, the target, and what bounds the value."""
    cpu = record.cpu_units / 1024
    parse = record.cpu_per_parse or 0.0
    longest = max((each or float("inf") for each in record.changes), default=float("inf"))
    checks: list[tuple[str, float | None, float, str]] = [
        (
            "CPU-s for each parse", record.cpu_per_parse, 0.12,
            "see docs/upstream/cost-of-a-parse.md for what they are used for",
        ),
        (
            "s until one changed file is visible, longest", longest, 8.0,
            f"up to 3 s until the release is asked for, {parse / cpu:.1f} s for a parse with this "
            "CPU, the publisher, and what else is parsed then",
        ),
        (
            "of the CPU limit when idle", record.idle_cpu, 0.10,
            f"{(record.idle_cpu or 0) * cpu * 1000:.0f} CPU-ms for each loop and second",
        ),
        (
            "s until a change at a start is visible", record.change_after_start, 90.0,
            f"the start uses {record.cpu_after_start or 0:.0f} CPU-s, "
            f"{(record.cpu_after_start or 0) / cpu:.0f} s with this CPU",
        ),
    ]  # fmt: skip
    if record.files == 1000:
        checks.append(
            (
                "s until all are visible",
                record.all_visible,
                600.0,
                f"{record.files:,} parses of {parse:.3f} CPU-s take "
                f"{record.files * parse / cpu:.0f} s with this CPU",
            )
        )
    return checks


def _visible(record: Record) -> str:
    if record.all_visible is None:
        return f"{record.visible:,} of them"
    return _seconds(record.all_visible)


def _succeeded(record: SchedulerRecord) -> str:
    if record.all_succeeded is None:
        return f"{record.succeeded:,} of them"
    return _seconds(record.all_succeeded)


def _changes(record: Record) -> str:
    unseen = sum(each is None for each in record.changes)
    if record.change_median is None:
        return "not seen"
    longest = max(each for each in record.changes if each)
    rest = f", {unseen} not seen" if unseen else ""
    return f"{record.change_median:.1f} ({longest:.1f}{rest})"


def _seconds(value: float | None) -> str:
    return "not seen" if value is None else f"{value:.1f}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}".replace("%", " %")


def _range(values: Sequence[float]) -> Sequence[float]:
    return sorted({min(values), max(values)}) if values else ()
