"""Calculations on measurements."""

import math
from datetime import datetime


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def seconds_of(moment: str) -> float:
    """A timestamp of Airflow's API as seconds since the epoch."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
