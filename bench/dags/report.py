"""The measurements as a table, a drawing, and a list of targets."""

from collections.abc import Sequence
from typing import Any

SYSTEMS = ("releases", "s3dagbundle", "sidecar")
STEPS = ("first", "unchanged", "one-changed", "rollback", "task-start")
_COLOURS = {"releases": "#2563eb", "s3dagbundle": "#d97706", "sidecar": "#6b7280"}


def table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row per size and step, seconds / requests per system."""
    found = {(r["system"], r["files"], r["step"]): r for r in records}
    lines = [
        "| files | step | " + " | ".join(SYSTEMS) + " |",
        "|---:|---|" + "---:|" * len(SYSTEMS),
    ]
    for files in sorted({r["files"] for r in records}):
        for step in STEPS:
            cells = [_cell(found.get((system, files, step))) for system in SYSTEMS]
            lines.append(f"| {files:,} | {step} | " + " | ".join(cells) + " |")
        errors = [found.get((system, files, "errors")) for system in SYSTEMS]
        cells = [f"{e['stale']} / {e['mixed']} of {e['rounds']}" if e else "" for e in errors]
        lines.append(f"| {files:,} | *stale / mixed* | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(record: dict[str, Any] | None) -> str:
    return f"{record['seconds']:.3f} s / {record['requests']:,}" if record else ""


def targets(records: Sequence[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Each target with its measured value, and whether it is met."""
    found = {(r["system"], r["files"], r["step"]): r for r in records}
    results = []

    def add(files: int, step: str, seconds: float | None, requests: int | None) -> None:
        record = found.get(("releases", files, step))
        if record:
            limits = [f"≤ {seconds} s"] if seconds is not None else []
            limits += [f"≤ {requests} requests"] if requests is not None else []
            holds = (seconds is None or record["seconds"] <= seconds) and (
                requests is None or record["requests"] <= requests
            )
            text = f"{files:,} files, {step}: {_cell(record)} (target {', '.join(limits)})"
            results.append((text, holds))

    for files in sorted({r["files"] for r in records}):
        add(files, "unchanged", None, 1)
        add(files, "task-start", None, 0)
    add(10_000, "first", 2.0, 3)
    listing = 10_000 // 1000
    add(10_000, "publish-one-changed", 3.0, listing + 8)
    ours, theirs = (found.get((name, 10_000, "first")) for name in ("releases", "s3dagbundle"))
    if ours and theirs:
        times = theirs["seconds"] / ours["seconds"]
        results.append(
            (
                f"10,000 files, first: {times:.0f} × faster than S3DagBundle (target 10 ×)",
                times >= 10,
            )
        )
    errors = [r for r in records if r["step"] == "errors" and r["system"] == "releases"]
    wrong = sum(r["stale"] + r["mixed"] for r in errors)
    results.append((f"releases: {wrong} stale or mixed states (target 0)", wrong == 0))
    return results


def drawing(records: Sequence[dict[str, Any]]) -> str:
    """SVG: requests and seconds of the largest folder, as bars on a logarithmic scale."""
    files = max(r["files"] for r in records)
    shown = {(r["system"], r["step"]): r for r in records if r["files"] == files}
    rows, y = [], 50
    for step in STEPS:
        rows.append(f'<text x="10" y="{y + 22}" font-weight="600">{step}</text>')
        for system in SYSTEMS:
            record = shown.get((system, step))
            if record:
                # The origin is a millisecond; each decade is 90 wide.
                width = max(2.0, 90 * _decades(record["seconds"]))
                label = f"{record['seconds']:.3f} s, {record['requests']:,} requests"
                rows.append(
                    f'<rect x="110" y="{y}" width="{width:.0f}" height="13" '
                    f'fill="{_COLOURS[system]}"/>'
                    f'<text x="{116 + width:.0f}" y="{y + 11}">{label}</text>'
                )
            y += 17
        y += 12
    legend = "".join(
        f'<rect x="{110 + 150 * n}" y="28" width="11" height="11" fill="{_COLOURS[name]}"/>'
        f'<text x="{126 + 150 * n}" y="38">{name}</text>'
        for n, name in enumerate(SYSTEMS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{y}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="10" y="18" font-size="14">{files:,} files: seconds, logarithmic</text>'
        f"{legend}{''.join(rows)}</svg>\n"
    )


def _decades(seconds: float) -> float:
    from math import log10

    return log10(max(seconds, 0.001) / 0.001)
