"""The counts for the scaler: written when they change, and a call while messages wait."""

import pytest

from airflow_on_fargate.celery.queue_counts import Publisher, install
from airflow_on_fargate.contracts.wake_up import RENEWAL_SECONDS, QueueCount, QueueCounts

EMPTY = {"default": QueueCount()}
WAITING = {"default": QueueCount(3, 0)}
HELD = {"default": QueueCount(0, 3)}


class World:
    """The broker, the bucket, the scaler and the clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.counts = EMPTY
        self.written: list[QueueCounts] = []
        self.calls = 0
        self.fails = False
        self.publisher = Publisher(lambda: self.counts, self.put, self.call, lambda: self.now)

    def put(self, body: bytes) -> None:
        self.written.append(QueueCounts.from_bytes(body))
        if self.fails:
            raise OSError("S3 is busy")

    def call(self) -> None:
        self.calls += 1

    def heartbeats(self, seconds: float) -> None:
        for _ in range(int(seconds // 5)):
            self.now += 5
            self.publisher.look()


@pytest.fixture
def world() -> World:
    return World()


def test_counts_are_written_with_their_time(world: World) -> None:
    world.counts = WAITING
    world.publisher.publish()
    assert world.written == [QueueCounts(1000.0, WAITING)]


def test_unchanged_counts_are_written_once(world: World) -> None:
    world.counts = HELD
    world.heartbeats(RENEWAL_SECONDS - 5)
    assert len(world.written) == 1


def test_counts_are_renewed_while_there_are_messages(world: World) -> None:
    world.counts = HELD
    world.heartbeats(10 * RENEWAL_SECONDS)
    assert 9 <= len(world.written) <= 11


def test_empty_queues_are_not_renewed(world: World) -> None:
    world.heartbeats(10 * RENEWAL_SECONDS)
    assert len(world.written) == 1


def test_failed_write_is_repeated_although_nothing_has_changed(world: World) -> None:
    world.fails = True
    with pytest.raises(OSError):
        world.publisher.publish()
    world.fails = False
    world.publisher.publish()
    assert len(world.written) == 2


def test_scaler_is_called_each_minute_while_messages_wait(world: World) -> None:
    world.heartbeats(300)
    world.counts = WAITING
    world.heartbeats(RENEWAL_SECONDS - 5)
    assert world.calls == 0
    world.heartbeats(10)
    assert world.calls == 1
    world.heartbeats(5 * RENEWAL_SECONDS)
    assert world.calls == 6


def test_scaler_is_not_called_for_messages_that_workers_hold(world: World) -> None:
    world.counts = HELD
    world.heartbeats(10 * RENEWAL_SECONDS)
    assert world.calls == 0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AIRFLOW__CELERY__BROKER_URL": "sqs://", "WORKER_SCALER_FUNCTION_NAME": "scale"},
        # A worker.
        {"AIRFLOW__CELERY__BROKER_URL": "rediss://:token@valkey:6379/0"},
    ],
)
def test_nothing_is_counted_elsewhere(environment: dict[str, str]) -> None:
    assert install(environment) is None
