"""Queues, fleets and releases."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from doctor.model import Finding, fail, ok, warn
from doctor.ports import FleetMemory, QueueState, ReleaseState

# A worker holds its message while the task runs, twelve hours at most.
_VISIBILITY_SECONDS = 43_200
_RECENT = timedelta(hours=1)
_MANY_DEATHS = 3
# The dag-processor reports every five minutes.
_LONGEST_SILENCE = timedelta(minutes=20)


def queue(found: QueueState, fleet: FleetMemory, now: datetime) -> Iterator[Finding]:
    name = found.name
    if not found.exists:
        yield fail(f"The queue {name} does not exist", "Deploy again: tasks cannot be queued")
        return
    problems = [*_queue(found), *_fleet(found, fleet, now)]
    yield from problems
    if not problems:
        yield ok(f"{name}: {found.waiting} tasks wait, {found.running} run")


def _queue(found: QueueState) -> Iterator[Finding]:
    visibility = found.visibility_seconds
    if visibility is not None and visibility < _VISIBILITY_SECONDS:
        yield fail(
            f"{found.name}: messages come back after {visibility} s, so a longer "
            "task is taken twice",
            "Deploy again: the template sets 43200 s",
        )
    if found.dead_letters:
        yield warn(
            f"{found.dead_letters} messages are in the dead-letter queue: workers took them ten "
            "times and did not finish",
            "The workers' log shows which; Airflow queues a task again that stays queued too long",
        )


def _fleet(found: QueueState, fleet: FleetMemory, now: datetime) -> Iterator[Finding]:
    resume = 'Call scale-workers with {"pause": false}'
    if fleet.paused and found.waiting:
        yield fail(f"{found.name}: {found.waiting} tasks wait, and launches are paused", resume)
    elif fleet.paused:
        yield warn(f"{found.name}: launches are paused", resume)
    deaths = sum(now - death < _RECENT for death in fleet.deaths)
    if deaths >= _MANY_DEATHS:
        yield fail(
            f"{found.name}: {deaths} workers died within an hour",
            "The log of the workers; a new image or package that does not start is the usual cause",
        )


def releases(found: ReleaseState, now: datetime) -> Iterator[Finding]:
    if found.release is None:
        yield warn("No DAG was published yet", "aws s3 sync dags/ s3://…/dags/")
        return
    problems = [*_release(found, now)]
    yield from problems
    if not problems:
        yield ok(f"Release {found.release} is live and parsed")


def _release(found: ReleaseState, now: datetime) -> Iterator[Finding]:
    logs = "The log of the dag-processor"
    if found.reported_at is None:
        yield warn("The dag-processor has not reported about releases yet", logs)
    elif now - found.reported_at > _LONGEST_SILENCE:
        minutes = int((now - found.reported_at).total_seconds() / 60)
        yield fail(f"The dag-processor has been silent for {minutes} minutes", logs)
    if found.import_errors:
        yield warn(
            f"{found.import_errors} DAG files cannot be imported, first {found.first_error}",
            "Airflow's UI shows each error; correct the files and upload them",
        )
    if found.exclusions:
        yield warn(
            f"{found.exclusions} files stay out of release {found.release}",
            "docs/dag-releases.md; the notification named them, and Airflow's UI shows them",
        )
