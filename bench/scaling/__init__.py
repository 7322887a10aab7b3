"""The scaler's own `decide`, and its peers, against simulated hours of queues and workers.

    python -m bench.scaling --workload trickle --policy ours mwaa-now --seed 1 2 --concurrency 16 \
        --launch-median 75 --json records.json

A simulation in seconds of virtual time: messages arrive, workers take some time to start, poll at
random times, and exit or are killed. Each module describes its part of the model: `world` (queue
and workers), `workloads`, `policies` (each with its source), `limits` (bounds that no policy can
beat).
"""

import sys
from pathlib import Path

# The Lambda's own module, not a copy of it.
_FUNCTIONS = str(Path(__file__).resolve().parents[2] / "functions")
if _FUNCTIONS not in sys.path:
    sys.path.insert(0, _FUNCTIONS)
