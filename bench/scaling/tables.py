"""Markdown tables."""

from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = {
    "workload": "workload",
    "policy": "policy",
    "p50_wait_s": "p50 wait (s)",
    "p95_wait_s": "p95 wait (s)",
    "worker_hours": "worker-hours",
    "killed": "killed",
    "run_twice": "run twice",
    "stranded": "stranded",
}


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [list(header), *[[_text(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        parts = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        return f"| {' | '.join(parts)} |"

    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    return "\n".join([line(cells[0]), rule, *[line(row) for row in cells[1:]]])


def records_table(records: Sequence[Mapping[str, Any]]) -> str:
    header = [*_COLUMNS.values(), "× optimum", "seed"]
    return table(header, [[*_cells(record), record["seed"]] for record in records])


def means_table(means: Sequence[Mapping[str, Any]]) -> str:
    return table([*_COLUMNS.values(), "× optimum"], [_cells(mean) for mean in means])


def _cells(record: Mapping[str, Any]) -> list[object]:
    return [
        *[record[name] for name in _COLUMNS],
        record["worker_hours"] / (record["optimum_worker_hours"] or 1),
    ]


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}" if cell < 10 else f"{cell:.1f}"
    return str(cell)
