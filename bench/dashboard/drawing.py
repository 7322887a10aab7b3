"""SVG of widgets on their grid of 24 columns: texts, states of alarms, lines over time."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

_COLUMN = 46
_ROW = 22
_MARGIN = 6
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#17becf")
_STATES = {"OK": "#2ca02c", "ALARM": "#d62728", "INSUFFICIENT_DATA": "#999999"}
_ALARMS_IN_A_ROW = 6


def drawn(recorded: Mapping[str, Any]) -> str:
    """The whole picture."""
    widgets = recorded["widgets"]
    width = 24 * _COLUMN
    height = max(each["y"] + each["height"] for each in widgets) * _ROW
    parts = [part for each in widgets for part in _widget(each, recorded)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="10">',
            f'<rect width="{width}" height="{height}" fill="#f4f4f4"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _widget(widget: Mapping[str, Any], recorded: Mapping[str, Any]) -> Iterator[str]:
    x, y = widget["x"] * _COLUMN, widget["y"] * _ROW
    width, height = widget["width"] * _COLUMN, widget["height"] * _ROW
    if widget["type"] == "text":
        yield _text(x + _MARGIN, y + 16, widget["title"], size=14, weight="bold")
        return
    yield (
        f'<rect x="{x + 3}" y="{y + 3}" width="{width - 6}" height="{height - 6}" rx="4" '
        'fill="#ffffff" stroke="#cccccc"/>'
    )
    yield _text(x + 2 * _MARGIN, y + 17, widget["title"], weight="bold")
    if widget["type"] == "alarm":
        yield from _alarms(x, y, width, recorded["alarms"])
    else:
        yield from _lines(widget, x, y, width, height, recorded["minutes"])


def _alarms(x: int, y: int, width: int, states: Mapping[str, str]) -> Iterator[str]:
    step = (width - 4 * _MARGIN) / _ALARMS_IN_A_ROW
    for number, (name, state) in enumerate(states.items()):
        left = x + 2 * _MARGIN + number % _ALARMS_IN_A_ROW * step
        top = y + 28 + number // _ALARMS_IN_A_ROW * 13
        yield f'<rect x="{left:.0f}" y="{top - 8}" width="8" height="8" fill="{_STATES[state]}"/>'
        yield _text(left + 12, top, name)


def _lines(
    widget: Mapping[str, Any], x: int, y: int, width: int, height: int, minutes: float
) -> Iterator[str]:
    series = [each for each in widget["series"] if each["points"]]
    values = [value for each in series for _, value in each["points"]]
    highest = max([*values, *(line["value"] for line in widget["lines"] if _near(line, values))],
                  default=1) or 1  # fmt: skip
    left, top = x + 40, y + 26
    across, down = width - 52, height - 60

    def place(minute: float, value: float) -> str:
        return f"{left + across * minute / minutes:.1f},{top + down * (1 - value / highest):.1f}"

    for share in (0, 0.5, 1):
        level = top + down * (1 - share)
        yield f'<path d="M{left} {level:.1f}h{across}" stroke="#e5e5e5"/>'
        yield _text(left - 4, level + 3, _number(share * highest), anchor="end", colour="#666666")
    for line in widget["lines"]:
        if _near(line, values):
            level = top + down * (1 - line["value"] / highest)
            yield (
                f'<path d="M{left} {level:.1f}h{across}" stroke="#d62728" stroke-dasharray="4 3"/>'
            )
        else:
            text = f"{line['label']}: {_number(line['value'])}"
            yield _text(left + across, y + 17, text, anchor="end", colour="#d62728")
    for number, each in enumerate(series):
        points = " ".join(place(minute, value) for minute, value in each["points"])
        colour = _COLOURS[number % len(_COLOURS)]
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    yield from _legend(widget["series"], left, y + height - 22, across)


def _near(line: Mapping[str, Any], values: Sequence[float]) -> bool:
    """Whether a threshold is drawn: one far above the values would flatten them."""
    return bool(0 < line["value"] <= 20 * max([*values, 0.05], default=1))


def _legend(
    series: Sequence[Mapping[str, Any]], left: float, top: float, across: float
) -> Iterator[str]:
    place, row, colour = left, 0, 0
    for each in series:
        text = each["label"] if each["points"] else f"{each['label']} (none)"
        needed = 16 + 5.2 * len(text)
        if place + needed > left + across and place > left:
            place, row = left, row + 1
        fill = "#bbbbbb"
        if each["points"]:
            fill, colour = _COLOURS[colour % len(_COLOURS)], colour + 1
        yield f'<rect x="{place:.0f}" y="{top + 11 * row - 6}" width="8" height="3" fill="{fill}"/>'
        yield _text(place + 11, top + 11 * row, text, size=9)
        place += needed


def _number(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 10,
    weight: str = "normal",
    anchor: str = "start",
    colour: str = "#222222",
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
