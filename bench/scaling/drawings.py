"""Drawings as SVG, without a plotting library: lines, points, axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.scaling.world import World

_COLOURS = ("#0b6e4f", "#d1495b", "#edae49", "#00798c", "#6c5b7b", "#8d6a4f", "#444444", "#30638e")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 860, 300, 64, 34, 190, 44

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Frame:
    """Axes from zero to the largest value, with titles."""

    title: str
    across: str
    up: str
    most_across: float
    most_up: float

    def x(self, value: float) -> float:
        return _LEFT + value / (self.most_across or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / (self.most_up or 1) * (_HEIGHT - _TOP - _BOTTOM)

    def draw(self) -> list[str]:
        parts = [
            f'<text x="{_LEFT}" y="20" font-weight="bold">{escape(self.title)}</text>',
            f'<text x="{(_WIDTH - _RIGHT + _LEFT) / 2}" y="{_HEIGHT - 8}" '
            f'text-anchor="middle">{escape(self.across)}</text>',
            f'<text x="14" y="{_HEIGHT / 2}" text-anchor="middle" '
            f'transform="rotate(-90 14 {_HEIGHT / 2})">{escape(self.up)}</text>',
        ]
        for step in range(5):
            across, up = self.most_across * step / 4, self.most_up * step / 4
            height = f"{self.y(up) + 4:.1f}"
            parts.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{self.y(up):.1f}" '
                f'y2="{self.y(up):.1f}" stroke="#dddddd"/>'
                f'<text x="{_LEFT - 6}" y="{height}" text-anchor="end">{_tick(up)}</text>'
                f'<text x="{self.x(across):.1f}" y="{_HEIGHT - _BOTTOM + 16}" '
                f'text-anchor="middle">{_tick(across)}</text>'
            )
        return parts


def _tick(value: float) -> str:
    return f"{value:.0f}" if value >= 10_000 else f"{value:.4g}"


def _page(parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _legend(names: Sequence[str]) -> list[str]:
    return [
        f'<rect x="{_WIDTH - _RIGHT + 14}" y="{_TOP + 20 * index}" width="12" height="12" '
        f'fill="{_COLOURS[index % len(_COLOURS)]}"/>'
        f'<text x="{_WIDTH - _RIGHT + 32}" y="{_TOP + 10 + 20 * index}">{escape(name)}</text>'
        for index, name in enumerate(names)
    ]


def over_time(title: str, up: str, series: Mapping[str, Points], until: float) -> str:
    """Step lines: a value remains until the next."""
    most = max((value for points in series.values() for _, value in points), default=1.0)
    frame = Frame(title, "minutes", up, until / 60, most)
    parts = frame.draw()
    for index, points in enumerate(series.values()):
        steps: list[str] = []
        last = 0.0
        for moment, value in _visible(points, until, until / _WIDTH):
            x = frame.x(moment / 60)
            steps += [f"{x:.1f},{frame.y(last):.1f}", f"{x:.1f},{frame.y(value):.1f}"]
            last = value
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" '
            f'points="{" ".join(steps)}"/>'
        )
    return _page(parts + _legend(list(series)))


def lines(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """Straight lines from point to point."""
    everything = [point for points in series.values() for point in points]
    frame = Frame(
        title, across, up, max(x for x, _ in everything), max(y for _, y in everything) * 1.05
    )
    parts = frame.draw()
    for index, points in enumerate(series.values()):
        corners = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        parts.append(
            f'<polyline fill="none" stroke="{_COLOURS[index % len(_COLOURS)]}" stroke-width="1.6" '
            f'points="{corners}"/>'
        )
    return _page(parts + _legend(list(series)))


def _visible(points: Points, until: float, pixel: float) -> Points:
    """One point per pixel, the last one: more would not be visible."""
    shown: dict[int, tuple[float, float]] = {}
    for moment, value in points:
        if moment > until:
            break
        shown[int(moment / pixel)] = (moment, value)
    return list(shown.values())


def wait_against_hours(
    title: str, points: Mapping[str, tuple[float, float]], limits: Mapping[str, float]
) -> str:
    """A point for each policy; the limits are vertical lines, and no point can be left of them."""
    most_hours = max([hours for hours, _ in points.values()] + list(limits.values())) * 1.08
    most_wait = max([wait for _, wait in points.values()] + [1.0]) * 1.08
    frame = Frame(title, "worker-hours", "p95 wait (s)", most_hours, most_wait)
    parts = frame.draw()
    for index, (name, hours) in enumerate(limits.items()):
        x = frame.x(hours)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" '
            f'stroke="#444444" stroke-dasharray="5 4"/>'
            f'<text x="{x + 4:.1f}" y="{_TOP + 10 + 14 * index}" '
            f'fill="#444444">{escape(name)}</text>'
        )
    for index, (hours, wait) in enumerate(points.values()):
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(
            f'<circle cx="{frame.x(hours):.1f}" cy="{frame.y(wait):.1f}" r="6" fill="{colour}"/>'
        )
    return _page(parts + _legend(list(points)))


def workers_over_time(world: World) -> Points:
    changes = [(worker.requested, 1) for worker in world.workers]
    changes += [(worker.ended, -1) for worker in world.workers if worker.ended is not None]
    points, present = [(0.0, 0.0)], 0
    for moment, change in sorted(changes):
        present += change
        points.append((moment, float(present)))
    return points
