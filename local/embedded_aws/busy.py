"""Time limits on a machine that other programs use at the same time.

On AWS each task has its own CPU. Here all of them share one machine, with whatever else runs on it:
at a load of ten for each core a health check that takes a second takes ten, and a component that
works would be replaced again and again. So limits that end something stretch with the load.
"""

import os


def stretched(seconds: float) -> float:
    """The limit, multiplied by the number of runnable processes for each core."""
    load, _, _ = os.getloadavg()
    return seconds * max(1.0, load / (os.cpu_count() or 1))
