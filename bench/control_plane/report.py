"""The measurements as a table, and the targets that they meet or miss."""

from collections.abc import Callable, Sequence

from bench.control_plane.measuring import Record

_ROWS: Sequence[tuple[str, Callable[[Record], str]]] = (
    ("first DAG visible after the start, s", lambda r: _seconds(r.first_visible)),
    ("all visible after the start, s", lambda r: _visible(r)),
    ("CPU-s for each parse", lambda r: _number(r.cpu_per_parse, 3)),
    ("idle, % of the CPU limit", lambda r: _percent(r.idle_cpu)),
    ("one file changed, put to visible, s: median (longest)", lambda r: _changes(r)),
    ("a change put at a start, until visible, s", lambda r: _seconds(r.change_after_start)),
    ("CPU-s of that start", lambda r: _number(r.cpu_after_start, 1)),
    ("memory, MiB at most", lambda r: _number(r.peak_mebibytes, 0)),
    ("load of the machine", lambda r: "–".join(f"{each:.0f}" for each in _range(r.load))),
)


def table(records: Sequence[Record]) -> str:
    """Markdown: a row for each size and measurement, a column for each system."""
    systems = list(dict.fromkeys(record.system for record in records))
    lines = [
        "| files | measured | " + " | ".join(systems) + " |",
        "|---:|---|" + "---:|" * len(systems),
    ]
    found = {(record.system, record.files): record for record in records}
    for files in sorted({record.files for record in records}):
        for title, cell in _ROWS:
            cells = [
                cell(record) if (record := found.get((system, files))) else "" for system in systems
            ]
            lines.append(f"| {files:,} | {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def targets(records: Sequence[Record]) -> list[str]:
    """A line for each target with pass or miss."""
    lines = []
    for record in records:
        if record.system != "releases":
            continue
        size = f"{record.files:,} files"
        longest = max((each or float("inf") for each in record.changes), default=float("inf"))
        checks: list[tuple[str, float | None, float, bool]] = [
            ("CPU-s for each parse", record.cpu_per_parse, 0.12, True),
            ("s until one changed file is visible, longest", longest, 8.0, True),
            ("of the CPU limit when idle", record.idle_cpu, 0.10, True),
            ("s until all are visible", record.all_visible, 600.0, record.files == 1000),
            ("s until a change at a start is visible", record.change_after_start, 90.0, True),
        ]
        for text, value, limit, applies in checks:
            if applies:
                holds = value is not None and value <= limit
                shown = "not seen" if value is None else f"{value:.2f}"
                result = "pass" if holds else "miss"
                lines.append(f"{result}  {size}: {shown} {text} (at most {limit:g})")
    return lines


def _visible(record: Record) -> str:
    if record.all_visible is None:
        return f"{record.visible:,} of them"
    return _seconds(record.all_visible)


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
