"""Which image runs the schema change, and which counts are restored when its task has ended."""

import pytest

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.schema_change.planned_command import PlannedCommand, plan
from run_airflow_command.schema_change.ports import QuiescedServices
from run_airflow_command.schema_change.service_counts import restore_services
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.fargate import StoppedTask

FAMILY = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command"
OLDER, NEWER = f"{FAMILY}:9", f"{FAMILY}:10"
TASK = "arn:aws:ecs:us-east-1:111122223333:task/airflow/a1"
SCHEDULER = "arn:aws:ecs:us-east-1:111122223333:service/airflow/scheduler"
API_SERVER = "arn:aws:ecs:us-east-1:111122223333:service/airflow/api-server"


class InMemoryUpgradeNotes:
    def __init__(self, migrated=(), noted=None):
        self.migrated = migrated
        self.noted = noted
        self.taken_over = False

    def call_off(self, task_definition_arn):
        return task_definition_arn not in self.migrated

    def quiesced(self):
        return self.noted

    def forget_quiesced(self, noted):
        if self.taken_over:
            return False
        self.noted = None
        return True


class InMemoryServices:
    def __init__(self, counts):
        self.counts = counts

    def desired_count(self, service_arn):
        return self.counts.get(service_arn)

    def set_desired_count(self, service_arn, count):
        self.counts[service_arn] = count


@pytest.fixture
def asked(sample_event):
    def ask(wanted, present=None, **properties):
        event = sample_event("run_airflow_command/custom-resource-update")
        both = {
            "Command": ["upgrade-schema"],
            "CommandOnRollback": ["restore-schema"],
            **properties,
        }
        event["ResourceProperties"] = {**both, "TaskDefinitionArn": wanted}
        event["OldResourceProperties"] = {**both, "TaskDefinitionArn": present} if present else {}
        return CustomResourceRequest.from_event(event)

    return ask


def stopped(arn=TASK):
    return StoppedTask(arn, NEWER, "request", "Essential container exited", 1, "")


def test_migrates_with_the_newer_revision_when_an_update_goes_forward(asked):
    planned = plan(asked(NEWER, OLDER), "", InMemoryUpgradeNotes())
    assert planned == PlannedCommand(["upgrade-schema"], NEWER)


def test_migrates_when_an_older_image_is_deployed(asked):
    """A deployment always registers a newer revision; an older image itself refuses."""
    planned = plan(asked(f"{FAMILY}:11", NEWER), "", InMemoryUpgradeNotes([NEWER]))
    assert planned == PlannedCommand(["upgrade-schema"], f"{FAMILY}:11")


def test_restores_with_the_newer_revision_when_cloudformation_rolls_back(asked):
    planned = plan(asked(OLDER, NEWER), "", InMemoryUpgradeNotes([NEWER]))
    assert planned == PlannedCommand(["restore-schema"], NEWER)


def test_starts_nothing_when_the_image_that_is_rolled_back_never_migrated(asked):
    assert plan(asked(OLDER, NEWER), "", InMemoryUpgradeNotes([OLDER])) is None


def test_runs_the_command_when_there_is_none_for_a_rollback(asked):
    request = asked(OLDER, NEWER, Command=["ensure-admin-user"])
    del request.old_properties["CommandOnRollback"]
    planned = plan(request, "", InMemoryUpgradeNotes([NEWER]))
    assert planned == PlannedCommand(["ensure-admin-user"], OLDER)


def only_on_rollback(request):
    for properties in (request.properties, request.old_properties):
        properties.pop("CommandOnRollback", None)
    return request


@pytest.mark.parametrize(("wanted", "present"), [(NEWER, OLDER), (NEWER, NEWER), (OLDER, None)])
def test_command_for_rollbacks_only_is_not_run_when_a_deployment_goes_forward(
    asked, wanted, present
):
    request = asked(wanted, present, Command=["ensure-admin-user"], When="rollback")
    assert plan(only_on_rollback(request), "", InMemoryUpgradeNotes()) is None


def test_command_for_rollbacks_only_runs_with_the_older_revision_in_a_rollback(asked):
    request = asked(OLDER, NEWER, Command=["ensure-admin-user"], When="rollback")
    planned = plan(only_on_rollback(request), "", InMemoryUpgradeNotes())
    assert planned == PlannedCommand(["ensure-admin-user"], OLDER)


def test_unknown_time_for_a_command_is_refused(asked):
    with pytest.raises(InvalidCommandError, match="'rollbacks'"):
        plan(asked(NEWER, OLDER, When="rollbacks"), "", InMemoryUpgradeNotes())


def test_uses_the_functions_own_revision_when_the_request_names_none(asked):
    request = asked("", None)
    assert plan(request, NEWER, InMemoryUpgradeNotes()).task_definition_arn == NEWER


def test_counts_come_back_when_the_task_has_ended():
    notes = InMemoryUpgradeNotes(
        noted=QuiescedServices(TASK, {SCHEDULER: 2, API_SERVER: 1, "gone": 1}, "v1")
    )
    services = InMemoryServices({SCHEDULER: 0, API_SERVER: 0})

    assert restore_services(stopped(), notes, services) == (SCHEDULER, API_SERVER)

    assert services.counts == {SCHEDULER: 2, API_SERVER: 1}
    assert notes.noted is None


def test_a_count_stays_when_it_was_set_in_the_meantime():
    notes = InMemoryUpgradeNotes(noted=QuiescedServices(TASK, {SCHEDULER: 2}, "v1"))
    services = InMemoryServices({SCHEDULER: 1})
    assert restore_services(stopped(), notes, services) == ()
    assert services.counts == {SCHEDULER: 1}


def test_no_count_comes_back_when_the_rollback_has_taken_over():
    notes = InMemoryUpgradeNotes(noted=QuiescedServices("another task", {SCHEDULER: 2}, "v1"))
    services = InMemoryServices({SCHEDULER: 0})
    assert restore_services(stopped(), notes, services) == ()
    assert services.counts == {SCHEDULER: 0}


def test_the_services_are_stopped_again_when_the_rollback_takes_over_at_that_moment():
    notes = InMemoryUpgradeNotes(noted=QuiescedServices(TASK, {SCHEDULER: 2}, "v1"))
    notes.taken_over = True
    services = InMemoryServices({SCHEDULER: 0})
    assert restore_services(stopped(), notes, services) == ()
    assert services.counts == {SCHEDULER: 0}


def test_nothing_happens_when_nothing_is_stopped():
    assert restore_services(stopped(), InMemoryUpgradeNotes(), InMemoryServices({})) == ()
