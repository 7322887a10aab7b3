"""Split a launch into the requests to ECS: Spot and on demand, each with its token."""

import hashlib
from dataclasses import replace

from scale_workers.fleet_state import FleetState, Launch
from scale_workers.model import FleetConfig, Observation

# ECS lists a new task after seconds. One that is not listed after this time has already stopped.
LISTING_SECONDS = 60.0
# After a refusal Spot is not used for so long.
_SPOT_PAUSE_SECONDS = 600.0


def split(
    launch: Launch,
    observation: Observation,
    state: FleetState,
    config: FleetConfig,
    total: int,
) -> tuple[Launch, ...]:
    """The launch in one or two parts; none if its count is 0.

    With it there will be `total` workers; the configured share of them is on Spot.
    """
    on_spot = sum(1 for worker in observation.workers if worker.on_spot)
    on_spot += sum(each.count for each in state.launches if each.on_spot)
    share = min(launch.count, max(0, total * config.spot_share // 100 - on_spot))
    if state.spot_refused_at and observation.now - state.spot_refused_at < _SPOT_PAUSE_SECONDS:
        share = 0
    fleet = config.queue
    return tuple(
        replace(launch, token=_token(observation, state, fleet, spot), count=size, on_spot=spot)
        for size, spot in ((share, True), (launch.count - share, False))
        if size
    )


def _token(observation: Observation, state: FleetState, fleet: str, on_spot: bool) -> str:
    """The same for two checks with the same observation and state. The time window limits a token's
    life, which is a day in ECS."""
    window = str(int(observation.now // LISTING_SECONDS))
    # Workers may start and exit within one window: the next launch needs another token.
    before = str(state.launched)
    arns = sorted(worker.arn for worker in observation.workers)
    known = [launch.token for launch in state.launches]
    sight = "\n".join([fleet, window, before, str(on_spot), *arns, *known])
    return hashlib.sha256(sight.encode()).hexdigest()[:32]
