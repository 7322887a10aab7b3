"""How many workers to start, and when to check again: pure, so that it can be simulated.

`bench/scaling` runs this module against hours of simulated work; docs/scaling/ shows the results.
"""

import math
from dataclasses import replace

from scale_workers.fleet_state import FleetState, Launch
from scale_workers.foresight import Outlook, outlook
from scale_workers.launches import LISTING_SECONDS, split
from scale_workers.model import Action, FleetConfig, Observation, Trigger
from scale_workers.upkeep import upkeep
from shared.floors import floor_ahead

# The queue's counts may not show yet what a younger worker has taken.
SETTLING_SECONDS = 30.0
# If messages wait beside free slots for so long, the slots are not free.
_DISTRUST_SECONDS = 40.0
# A reported message that is not counted after this time was taken, or never arrived.
_ANNOUNCED_SECONDS = 120.0
# Ages of an unresolved launch: no call is working on it any more; it is too old to repeat.
_UNRESOLVED_SECONDS, _STALE_SECONDS = 20.0, 120.0
# The maximum number of launches at one check: Fargate's bucket.
_LAUNCHES_PER_LOOK = 100
# Launches pause after so many deaths in a row without a worker that survived, and for how long.
_DEATHS_IN_A_ROW, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 3, 60.0, 900.0
_PROVEN_SECONDS = 180.0
# Until launch times have been learned.
_USUAL_LAUNCH_SECONDS = 80.0
# From running to the first poll, which ECS does not show.
_PROCESS_START_SECONDS = 5.0
_TICK_SECONDS = 60.0
# A start ahead needs precision to the second, which a tick does not have: the call for it comes so
# long before and waits.
_PUNCTUAL_SECONDS = 15.0
# How long the counts need to show a burst, and how often to check in the meantime.
_BURST_SECONDS, _BURST_LOOK_SECONDS = 25.0, 8.0
# The quantiles of the launch times that a start ahead of a due run allows for.
_SLOWEST, _USUAL = 0.8, 0.3


def decide(
    observation: Observation, state: FleetState, config: FleetConfig
) -> tuple[Action, FleetState]:
    """Start workers for the messages that no existing worker will take.

    Input: an observation, the stored state, the configuration. Output: an action (launches, workers
    to drain or stop, the time of the next check) and the new state. The caller stores the new state
    *before* it acts, under the condition that no other call has stored one in the meantime;
    otherwise it starts again with the other call's state. Launches are part of the state, so two
    concurrent calls cannot start the same workers twice.

    1. *State.* Launch times are learned from workers that have started to run. A launch is removed
       once ECS lists its workers, or should have. A launch that no call has finished is repeated
       with its token, for which ECS starts its workers once.

    2. *Capacity.* A worker has `concurrency` slots. Pending workers, listed or only launched, will
       take as many messages. Workers that began to run less than 30 s ago are `settling`: the
       queue's counts may not show yet what they have taken, and may count messages twice, as
       waiting and as in flight. So their slots count as free, and what they can hold is not
       charged to the older workers:

           free = settling slots + max(0, older slots - max(0, in flight - settling slots))

       Messages in flight beyond those slots need no worker: a draining worker works on them, or a
       dead one held them, and then no worker can receive them before their visibility timeout.
       Counting them as work would start idle workers for hours.

    3. *Demand.* The visible messages; while no worker runs, at least the reported ones, which the
       counts do not show for some seconds. A wake-up means at least one. The slots of runs that are
       due within a launch time, and the spare slots, are added.

           shortage = waiting + expected + spare - free - pending slots

    4. *Distrust.* A free slot may not exist: a worker that is exiting, or hangs, is still listed as
       running. That cannot be seen from outside, except that messages wait although slots are free:
       a healthy worker would take them at once. When this has lasted for 40 s, only settling
       workers, which cannot be exiting yet, count as having free slots. This causes no storm: the
       next checks find the new workers pending or settling, or the messages gone.

    5. *Limits.* Never more than the maximum, never fewer than the minimum or than the floor that
       applies one launch time from now, so that its workers run when it begins. Draining workers do
       not count: they may take six hours to exit, and new work must not wait for them. Unhealthy
       ones count, but have no slots. At most 100 launches at one check, the size of Fargate's
       bucket. `upkeep` finds the workers that must go because of their age, size or health, or
       because a floor is over.

    6. *Spot.* As many launches that the configured share of all workers is on Spot, and none for
       ten minutes after Spot was refused. (The caller starts the refused ones on demand at once.)

    7. *Deaths.* A worker that died is replaced at a later check, not at once. From the third death
       on without a worker that survived for three minutes, launches pause for 60 s, doubling to 15
       minutes: when all workers die, because of a missing image or permission, that costs little.

    8. *Next check.* In a minute while there is work or a worker, or launches are due; and always
       after a wake-up or an alarm, because the queue's counts are late and a single zero proves
       nothing. Every 8 s, until the counts show all of it, after a wake-up that reports more
       messages than a worker can hold and than there is room for, while workers run. Otherwise when
       the workers of the next run must be started (some seconds before, and then to the second), or
       when a floor begins or ends.
    """
    now = observation.now
    known_burst = now < state.burst_until
    state = _remember(observation, state, config.concurrency)
    coming = _outlook(observation, state, config)
    minimum, floor_changes = floor_ahead(
        now, config.floors, config.minimum, ahead=_slowest_launch(state)
    )
    config = replace(config, minimum=min(minimum, config.maximum), floors=())
    going, state = upkeep(observation, state, config)
    staying = tuple(worker for worker in observation.workers if worker.arn not in going.drain)
    observation = replace(
        observation,
        workers=staying,
        draining=observation.draining + len(observation.workers) - len(staying),
        draining_arns=observation.draining_arns.union(going.drain),
    )
    # With the current time, because ECS lists the workers from now on. The state keeps the age.
    repeated = tuple(
        replace(launch, at=now)
        for launch in state.launches
        if not launch.arns and now - launch.at >= _UNRESOLVED_SECONDS
    )
    present = len(observation.workers) + _unlisted(observation, state)
    bare, _ = _needed(observation, state, replace(config, spare_slots=0), coming)
    needed, state = _needed(observation, state, config, coming)
    wanted = min(max(present + needed, config.minimum), config.maximum)
    owed = max(0, wanted - present)
    paused_until = _pause_after_deaths(state)
    backing_off = owed > 0 and now < paused_until
    count = min(owed, _LAUNCHES_PER_LOOK)
    if state.paused or backing_off or observation.trigger is Trigger.WORKER_DIED:
        count = 0
    template = Launch(
        token="",
        count=count,
        at=now,
        patience=coming.patience or None,
        # There is no work for these workers yet: an idle timeout would make them exit and be
        # replaced repeatedly.
        standing=present + needed < config.minimum or needed > bare,
    )
    launches = split(template, observation, state, config, present + count)
    state = replace(
        state,
        launches=(*state.launches, *launches),
        launched=state.launched + len(launches),
    )

    busy = observation.visible + observation.in_flight + observation.delayed
    announced = observation.trigger in (Trigger.WAKE_UP, Trigger.ALARM)
    look_at = min(_before(coming.look_at, observation) or math.inf, floor_changes or math.inf)
    if announced or busy or present or observation.draining or owed or repeated:
        # Only the call that saw the burst begin checks that often; other wake-ups do not.
        watching = not known_burst or observation.trigger is Trigger.REQUEST
        soon = _BURST_LOOK_SECONDS if now < state.burst_until and watching else _TICK_SECONDS
        look_at = min(now + soon, look_at)
    return Action(
        (*repeated, *launches),
        look_at if look_at < math.inf else None,
        backing_off,
        going.drain,
        going.stop,
    ), state


def _remember(observation: Observation, state: FleetState, concurrency: int) -> FleetState:
    now = observation.now
    listed = _listed(observation)
    launches = tuple(
        launch
        for launch in state.launches
        if now - launch.at < (LISTING_SECONDS if launch.arns else _STALE_SECONDS)
        and not (launch.arns and listed.issuperset(launch.arns))
    )
    news = sorted(
        (worker.running_since, worker.running_since - worker.requested_at)
        for worker in observation.workers
        if worker.running_since is not None and worker.running_since > state.learned_until
    )
    if news:
        state = state.learn([seconds for _, seconds in news], news[-1][0])
    running = any(worker.running_since is not None for worker in observation.workers)
    # A worker that has exited, or drains from now on, was there for messages reported before.
    was_there = observation.trigger in (Trigger.WORKER_LEFT, Trigger.DEPLOYMENT)
    lifetime = SETTLING_SECONDS if was_there else _ANNOUNCED_SECONDS
    announced = tuple((at, count) for at, count in state.announced if now - at < lifetime)
    if observation.published:
        announced = (*announced, (now, observation.published))
    burst_until = state.burst_until if now < state.burst_until else 0.0
    room = len(observation.workers) * concurrency - observation.in_flight - observation.visible
    if running and not burst_until and observation.published > max(concurrency, room):
        burst_until = now + _BURST_SECONDS
    return replace(
        state,
        launches=launches,
        announced=() if running else announced,
        burst_until=burst_until,
        deaths=_deaths(observation, state),
    )


def _deaths(observation: Observation, state: FleetState) -> tuple[float, ...]:
    if observation.trigger is Trigger.WORKER_DIED:
        return (*state.deaths, observation.now)[-10:]
    if not state.deaths:
        return ()
    lived = any(
        worker.running_since is not None
        and worker.running_since > state.deaths[-1] - _PROVEN_SECONDS
        and observation.now - worker.running_since >= _PROVEN_SECONDS
        for worker in observation.workers
    )
    return () if lived or observation.trigger is Trigger.DEPLOYMENT else state.deaths


def _pause_after_deaths(state: FleetState) -> float:
    excess = len(state.deaths) - _DEATHS_IN_A_ROW
    if excess < 0:
        return 0.0
    return state.deaths[-1] + min(_FIRST_PAUSE_SECONDS * 2.0**excess, _LONGEST_PAUSE_SECONDS)


def _listed(observation: Observation) -> frozenset[str]:
    return observation.draining_arns.union(worker.arn for worker in observation.workers)


def _unlisted(observation: Observation, state: FleetState) -> int:
    """The number of workers that were launched but that ECS does not list yet."""
    listed = _listed(observation)
    return sum(
        sum(1 for arn in launch.arns if arn not in listed) if launch.arns else launch.count
        for launch in state.launches
    )


def _outlook(observation: Observation, state: FleetState, config: FleetConfig) -> Outlook:
    return outlook(
        observation.forecast,
        observation.now,
        slowest=_slowest_launch(state),
        usual=state.launch_seconds_at(_USUAL, _USUAL_LAUNCH_SECONDS) + _PROCESS_START_SECONDS,
        quickest=state.launch_seconds_at(0.0, 0.0),
        concurrency=config.concurrency,
        budget=min(config.foresight_budget, config.maximum),
    )


def _slowest_launch(state: FleetState) -> float:
    """The seconds from RunTask to the first poll, for all but the slowest launches."""
    return state.launch_seconds_at(_SLOWEST, _USUAL_LAUNCH_SECONDS) + _PROCESS_START_SECONDS


def _before(start: float | None, observation: Observation) -> float | None:
    """When to check for a start ahead: a little before it, and then at the exact second.

    A tick may come late, and tasks wait for every second of that. One call waits for the exact
    second, not each of the wake-ups that a busy fleet gets every other second.
    """
    if start is None:
        return None
    early = start - _PUNCTUAL_SECONDS
    if early > observation.now:
        return early
    return None if observation.trigger is Trigger.WAKE_UP else start


def _needed(
    observation: Observation, state: FleetState, config: FleetConfig, coming: Outlook
) -> tuple[int, FleetState]:
    """Workers to start in addition to the running and pending ones, before any limit."""
    now, slots = observation.now, config.concurrency
    running = [
        each.running_since
        for each in observation.workers
        if each.running_since is not None and not each.unhealthy
    ]
    settling = sum(1 for since in running if now - since < SETTLING_SECONDS)
    older = len(running) - settling
    pending = sum(1 for each in observation.workers if each.running_since is None)
    pending += _unlisted(observation, state)

    charged = max(0, observation.in_flight - settling * slots)
    free_older = max(0, older * slots - charged)
    waiting = max(observation.visible, sum(count for _, count in state.announced))
    if observation.trigger is Trigger.WAKE_UP:
        waiting = max(waiting, 1)

    idle_slots_since = state.idle_slots_since
    if observation.visible == 0 or free_older == 0:
        idle_slots_since = 0.0
    elif not idle_slots_since:
        idle_slots_since = now
    if idle_slots_since and now - idle_slots_since >= _DISTRUST_SECONDS:
        free_older = 0

    busy = observation.visible + observation.in_flight > 0
    spare = config.spare_slots if busy or config.minimum else 0
    shortage = waiting + coming.slots + spare - free_older - (settling + pending) * slots
    needed = max(0, -(-shortage // slots))
    return needed, replace(state, idle_slots_since=idle_slots_since)
