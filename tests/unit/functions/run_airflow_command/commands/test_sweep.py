"""The sweep: every open command is checked, and every request is answered."""

import pytest

from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.commands.sweep import Finding, Sweep
from run_airflow_command.ports import TaskNotStartedError
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.errors import AwsCallError

TASK_DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command:3"
# The sample request's ServiceTimeout.
SERVICE_TIMEOUT_SECONDS = 1800


@pytest.fixture
def sweep(commands):
    def failed(request_id, error):
        raise error

    return Sweep(commands, failed)


@pytest.fixture
def finding(sweep, started):
    """Sweep, and return the finding about the started command."""
    return lambda: sweep.run().get(started.request_id)


def test_sets_no_tick_when_nothing_is_open(sweep, commands):
    assert sweep.run() == {}
    assert commands.tick.ensured == 0


def test_sets_the_tick_and_changes_nothing_while_a_command_runs(finding, commands, channel):
    ticks = commands.tick.ensured
    assert finding() is Finding.RUNNING
    assert commands.tick.ensured == ticks + 1
    assert (commands.runner.stops, channel.bodies) == ([], [])


def test_answers_when_the_event_was_lost(finding, started, commands, channel):
    commands.runner.ends(started.request_id, exit_code=3)
    assert finding() is Finding.END_WAS_MISSED
    assert channel.answer["Status"] == "FAILED"
    assert "exit code 3" in channel.answer["Reason"]
    assert commands.store.opened == set()
    assert commands.store.locks == {}


def test_only_closes_when_the_answer_was_sent_but_the_call_was_cut_off(
    finding, started, commands, channel, stopped
):
    commands.runner.ends(started.request_id)
    commands.complete(stopped())
    commands.store.open(started.request_id)
    assert finding() is Finding.ENDED
    assert len(channel.bodies) == 1
    assert commands.store.opened == set()


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING"])
def test_stops_the_task_when_it_does_not_start(status, finding, started, commands, clock, channel):
    commands.runner.becomes(started.request_id, status=status, has_run=False)
    clock.passes(minutes=9)
    assert finding() is Finding.RUNNING
    clock.passes(minutes=1)
    assert finding() is Finding.STOPPED
    ((_, reason),) = commands.runner.stops
    assert reason == f"The task did not start within 600 s: it is still {status}"
    # The event contains the reason of the stop, and is answered like any other.
    commands.complete(commands.runner.ends(started.request_id, exit_code=None, reason=reason))
    assert channel.answer["Status"] == "FAILED"
    assert reason in channel.answer["Reason"]


def test_stops_the_task_and_answers_by_its_event_when_it_takes_too_long(
    finding, started, commands, clock, channel
):
    clock.passes(seconds=SERVICE_TIMEOUT_SECONDS - 6 * 60 - 1)
    assert finding() is Finding.RUNNING
    clock.passes(seconds=1)
    assert finding() is Finding.STOPPED
    assert channel.bodies == []
    clock.passes(seconds=60)
    # It is stopped only once.
    assert finding() is Finding.STOPPED
    assert len(commands.runner.stops) == 1
    _, reason = commands.runner.stops[0]
    commands.complete(commands.runner.ends(started.request_id, exit_code=143, reason=reason))
    assert "did not end within 1440 s and was stopped" in channel.answer["Reason"]
    assert commands.store.opened == set()


def test_answers_without_the_event_when_the_task_does_not_stop_in_time(
    finding, started, commands, clock, channel
):
    clock.passes(seconds=SERVICE_TIMEOUT_SECONDS - 3 * 60)
    assert finding() is Finding.GIVEN_UP
    assert channel.answer["Status"] == "FAILED"
    # The lock stays with the task, which may still be changing the schema.
    assert commands.store.locks == {"database": started.request_id}
    assert finding() is Finding.STOPPED
    commands.runner.ends(started.request_id, exit_code=137)
    assert finding() is Finding.ENDED
    assert len(channel.bodies) == 1
    assert (commands.store.opened, commands.store.locks) == (set(), {})


@pytest.mark.parametrize("service_timeout", [60, 120, 300, 360, 900, 1800, 3600])
def test_answers_before_cloudformation_gives_up_for_any_timeout(
    service_timeout, sweep, commands, clock, channel, sample_event
):
    event = sample_event("run_airflow_command/custom-resource-create")
    event["ResourceProperties"]["ServiceTimeout"] = str(service_timeout)
    request = CustomResourceRequest.from_event(event)
    commands.start(["db", "migrate"], request.request_id, TASK_DEFINITION, request)
    begin = clock.now()
    while not channel.bodies:
        # As late as EventBridge Scheduler may be, or earlier if the timeout requires it.
        clock.passes(seconds=min(119, service_timeout / 4))
        sweep.run()
    assert (clock.now() - begin).total_seconds() < service_timeout


def test_answers_when_the_call_was_cut_off_before_the_task_was_started(
    sweep, commands, request_, clock, channel
):
    commands.store.save(
        CommandRecord(request_.request_id, ("db", "migrate"), request_, started_at=clock.now())
    )
    commands.store.open(request_.request_id)
    clock.passes(minutes=9)
    # Lambda may still repeat the call.
    assert sweep.run() == {request_.request_id: Finding.RUNNING}
    clock.passes(minutes=1)
    assert sweep.run() == {request_.request_id: Finding.GIVEN_UP}
    assert "ECS knows no task of this command 600 s" in channel.answer["Reason"]
    assert commands.store.opened == set()
    # A later repetition starts nothing, because no one waits for it.
    commands.start(["db", "migrate"], request_.request_id, TASK_DEFINITION, request_)
    assert commands.runner.started == []


def test_stops_a_task_when_its_start_was_reported_as_failed(sweep, commands, channel, clock):
    run = commands.runner.run

    def started_but_unheard(record, task_definition_arn):
        run(record, task_definition_arn)
        raise AwsCallError("Read timeout")

    commands.runner.run = started_but_unheard
    with pytest.raises(AwsCallError):
        commands.start(["db", "migrate"], "request-1", TASK_DEFINITION)
    assert sweep.run() == {"request-1": Finding.STOPPED}
    commands.runner.ends("request-1", exit_code=143)
    assert sweep.run() == {"request-1": Finding.ENDED}
    assert commands.store.locks == {}


def test_waits_before_it_closes_a_start_that_was_reported_as_failed(sweep, commands, clock):
    commands.runner.error = AwsCallError("Read timeout")
    with pytest.raises(AwsCallError):
        commands.start(["db", "migrate"], "request-1", TASK_DEFINITION)
    assert sweep.run() == {"request-1": Finding.RUNNING}
    clock.passes(minutes=10)
    assert sweep.run() == {"request-1": Finding.ENDED}
    assert (commands.store.opened, commands.store.locks) == (set(), {})


def test_stops_a_direct_calls_command_that_never_ends(sweep, commands, clock, channel):
    commands.start(["dags", "list"], "request-1", TASK_DEFINITION)
    clock.passes(hours=12, seconds=-1)
    assert sweep.run() == {"request-1": Finding.RUNNING}
    clock.passes(seconds=1)
    assert sweep.run() == {"request-1": Finding.STOPPED}
    clock.passes(minutes=3)
    assert sweep.run() == {"request-1": Finding.GIVEN_UP}
    assert commands.store.marks["request-1"].exit_code is None
    assert channel.bodies == []


def test_closes_when_the_record_has_expired(sweep, commands):
    commands.store.open("request-1")
    assert sweep.run() == {"request-1": Finding.GONE}
    assert commands.store.opened == set()


def test_does_not_answer_when_cloudformation_no_longer_waits(
    finding, started, commands, clock, channel
):
    channel.error = ConnectionError("no way")
    commands.runner.ends(started.request_id)
    with pytest.raises(ConnectionError):
        finding()
    clock.passes(hours=1, seconds=1)
    assert finding() is Finding.ENDED
    assert commands.store.opened == set()


def test_continues_with_the_others_when_one_fails(commands):
    failures = []
    commands.store.records["0-damaged"] = b"{}"
    commands.store.open("0-damaged")
    commands.start(["dags", "list"], "request-1", TASK_DEFINITION)
    commands.runner.ends("request-1")
    sweep = Sweep(commands, lambda request_id, error: failures.append(request_id))
    assert sweep.run() == {"request-1": Finding.END_WAS_MISSED}
    assert failures == ["0-damaged"]


def test_has_nothing_to_do_when_ecs_refused_the_task(sweep, commands):
    commands.runner.error = TaskNotStartedError("Cluster not found.")
    with pytest.raises(TaskNotStartedError):
        commands.start(["db", "migrate"], "request-1", TASK_DEFINITION)
    assert sweep.run() == {}
