"""Several fleets with one tick."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from scale_workers.all_fleets import Fleets, UnknownQueueError
from scale_workers.model import Action, Observation, Trigger
from scale_workers.queue_fleet import Look

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class FleetDouble:
    """Records its calls; asks for its next checks after so many seconds from NOW, one by one."""

    next_looks: list = field(default_factory=list)
    looks: list = field(default_factory=list)
    paused: list = field(default_factory=list)
    error: Exception | None = None

    def look(self, trigger, published, revision):
        self.looks.append((trigger, published, revision))
        if self.error:
            raise self.error
        wanted = self.next_looks.pop(0) if self.next_looks else None
        look_at = None if wanted is None else NOW.timestamp() + wanted
        seen = Observation(trigger, NOW.timestamp(), 0, 0, 0)
        return Look(seen, Action(look_at=look_at), ["one"], [])

    def pause(self, paused):
        self.paused.append(paused)


@dataclass
class CurrentDouble:
    revision: str | None = "worker:7"

    def get(self):
        return self.revision

    def set(self, revision):
        self.revision = revision


@dataclass
class TickDouble:
    moment: datetime | None = None
    cancelled: bool = False

    def ensure(self, moment):
        self.moment = moment

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def fleets():
    sleeps = []
    return Fleets(
        fleets={"default": FleetDouble(), "heavy": FleetDouble(), "gpu": FleetDouble()},
        default_revision="worker:1",
        workers=None,
        current=CurrentDouble(),
        tick=TickDouble(),
        now=lambda: NOW + timedelta(seconds=sum(sleeps)),
        sleep=sleeps.append,
    )


def asked(fleets):
    return {queue: [each[0] for each in fleet.looks] for queue, fleet in fleets.fleets.items()}


def test_checks_all_fleets_when_none_is_named(fleets):
    looks = fleets.look_after(Trigger.TICK)
    assert list(looks) == ["default", "heavy", "gpu"]
    assert fleets.fleets["gpu"].looks == [(Trigger.TICK, 0, "worker:7")]


def test_checks_only_the_fleets_that_a_wake_up_names(fleets):
    looks = fleets.look_after(Trigger.WAKE_UP, {"heavy": 3})
    assert list(looks) == ["heavy"]
    assert asked(fleets) == {"default": [], "heavy": [Trigger.WAKE_UP], "gpu": []}
    assert fleets.fleets["heavy"].looks[0][1] == 3


def test_sets_one_tick_for_the_earliest_next_check(fleets):
    for queue, seconds in {"default": 900, "heavy": 60, "gpu": 3600}.items():
        fleets.fleets[queue].next_looks = [seconds]
    fleets.look_after(Trigger.TICK)
    assert fleets.tick.moment == NOW + timedelta(seconds=60)


def test_cancels_the_tick_only_when_all_fleets_were_checked(fleets):
    fleets.look_after(Trigger.WAKE_UP, {"heavy": 1})
    assert not fleets.tick.cancelled
    fleets.look_after(Trigger.TICK)
    assert fleets.tick.cancelled


def test_waits_for_the_fleet_whose_next_check_is_soon(fleets):
    fleets.fleets["default"].next_looks = [900]
    fleets.fleets["heavy"].next_looks = [8, 16, 76]
    looks = fleets.look_after(Trigger.TICK)
    assert asked(fleets) == {
        "default": [Trigger.TICK],
        "heavy": [Trigger.TICK, Trigger.REQUEST, Trigger.REQUEST],
        "gpu": [Trigger.TICK],
    }
    assert len(looks["heavy"].started) == 3
    assert fleets.tick.moment == NOW + timedelta(seconds=76)


def test_checks_the_others_and_ticks_in_a_minute_when_one_cannot_be_checked(fleets):
    fleets.fleets["default"].error = ConnectionError("no queue")
    with pytest.raises(ConnectionError):
        fleets.look_after(Trigger.TICK)
    assert asked(fleets)["gpu"] == [Trigger.TICK]
    assert fleets.tick.moment == NOW + timedelta(seconds=60)


def test_pauses_one_fleet_or_all(fleets):
    fleets.pause(True, "heavy")
    fleets.pause(False)
    assert [fleet.paused for fleet in fleets.fleets.values()] == [[False], [True, False], [False]]


def test_names_the_queues_when_one_is_unknown(fleets):
    with pytest.raises(UnknownQueueError, match="'heavi'; the queues are default, heavy, gpu"):
        fleets.pause(True, "heavi")


def test_checks_no_fleet_when_a_wake_up_names_only_unknown_queues(fleets):
    assert fleets.look_after(Trigger.WAKE_UP, {}) == {}
    assert fleets.tick == TickDouble()


def test_deploys_a_revision_once_and_checks_all_fleets(fleets):
    fleets.deploy("worker:8")
    assert fleets.current.revision == "worker:8"
    assert fleets.fleets["gpu"].looks == [(Trigger.DEPLOYMENT, 0, "worker:8")]


def test_takes_the_revision_of_the_environment_when_nothing_was_deployed(fleets):
    undeployed = replace(fleets, current=CurrentDouble(None))
    undeployed.look_after(Trigger.TICK)
    assert fleets.fleets["heavy"].looks == [(Trigger.TICK, 0, "worker:1")]
