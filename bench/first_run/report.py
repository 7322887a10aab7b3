"""The rounds as a table, and the targets that they meet or miss."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from bench.first_run.make_up import Up

RATIO: Final = 2.0
WHOLE_SECONDS: Final = 120.0
# What a miss names: the longest steps.
_NAMED: Final = 3


@dataclass(frozen=True)
class Round:
    """Both systems, one after the other; the load is that of the machine before each of them."""

    standalone: float
    up: Up
    load: tuple[float, float]

    @property
    def ratio(self) -> float:
        return self.up.first_success / self.standalone

    def as_document(self) -> dict[str, Any]:
        return asdict(self)


def table(rounds: Sequence[Round]) -> str:
    """Markdown: a row for each round."""
    lines = [
        "| round | airflow standalone, first success | make up, first success | ratio "
        "| make up, whole | load before each |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for number, each in enumerate(rounds, 1):
        load = " / ".join(f"{value:.1f}" for value in each.load)
        lines.append(
            f"| {number} | {each.standalone:.1f} s | {each.up.first_success:.1f} s "
            f"| {each.ratio:.2f} | {each.up.whole:.1f} s | {load} |"
        )
    return "\n".join(lines)


def targets(rounds: Sequence[Round]) -> list[str]:
    """A line for each target with pass or miss; a miss names the longest steps."""
    ratio = median(each.ratio for each in rounds)
    whole = median(each.up.whole for each in rounds)
    first = median(each.up.first_success for each in rounds)
    peer = median(each.standalone for each in rounds)
    checks = (
        (
            f"make up, warm, until the first success: {first:.1f} s, airflow standalone "
            f"{peer:.1f} s, ratio {ratio:.2f} (at most {RATIO:g})",
            ratio <= RATIO,
        ),
        (f"make up, warm, whole: {whole:.1f} s (at most {WHOLE_SECONDS:g} s)",
         whole <= WHOLE_SECONDS),
    )  # fmt: skip
    lines = [f"{'pass' if holds else 'miss'}  {text}" for text, holds in checks]
    if not all(holds for _, holds in checks):
        lines.append(f"      longest steps: {_longest(rounds[-1].up)}")
    return lines


def _longest(up: Up) -> str:
    steps = sorted(up.steps.items(), key=lambda step: -step[1])[:_NAMED]
    return ", ".join(f"{title} {seconds:.1f} s" for title, seconds in steps)
