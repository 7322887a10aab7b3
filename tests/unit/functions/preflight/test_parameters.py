"""Which parameters are refused, and what the user is told."""

import pytest

from preflight.check import ECS_SERVICE, ParametersRefusedError, check
from preflight.parameters import MissingPropertyError, find_problems
from shared.fargate_sizes import MEMORY_BY_CPU


@pytest.fixture
def properties(sample_event):
    return sample_event("preflight/custom-resource-create")["ResourceProperties"]


class InMemoryServiceLinkedRoles:
    def __init__(self):
        self.services = []

    def ensure(self, service):
        self.services.append(service)


def test_finds_nothing_when_the_defaults_are_used(properties):
    assert find_problems(properties) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"WorkerMinCount": "5", "WorkerMaxCount": "2"},
            "WorkerMinCount is 5 but WorkerMaxCount is 2: raise WorkerMaxCount or lower "
            "WorkerMinCount.",
        ),
        (
            {"WorkerMaxCount": "0"},
            "WorkerMaxCount is 0, so no task could ever run: raise WorkerMaxCount to at least 1.",
        ),
        (
            {"WorkerConcurrency": "0"},
            "WorkerConcurrency is 0, so no task could ever run: raise it to at least 1.",
        ),
        (
            {"WorkerConcurrency": "15"},
            "WorkerMemoryMib is 4096, but 15 tasks at once (WorkerConcurrency) need at least 4352, "
            "512 for the worker and 256 for each task: raise WorkerMemoryMib or lower "
            "WorkerConcurrency.",
        ),
        (
            {"SchedulerMemoryMib": "8192"},
            "SchedulerMemoryMib is 8192, which Fargate does not sell with SchedulerCpu 512: choose "
            "1024 to 4096 in steps of 1024, or another SchedulerCpu.",
        ),
        (
            {"TriggererMemoryMib": "3072"},
            "TriggererMemoryMib is 3072, which Fargate does not sell with TriggererCpu 256: choose "
            "512, 1024 or 2048, or another TriggererCpu.",
        ),
        (
            {"ApiServerCpu": "500"},
            "ApiServerCpu is 500, which Fargate does not sell: choose 256, 512, 1024, 2048, 4096, "
            "8192 or 16384.",
        ),
        (
            {"DagProcessorCpu": "a quarter"},
            "DagProcessorCpu is 'a quarter': give a whole number, such as 1024.",
        ),
        (
            {"PublicSubnetIds": ["subnet-1"], "PrivateSubnetIds": ["subnet-2", "subnet-3"]},
            "PublicSubnetIds names 1 subnet: give at least 2, in different Availability Zones.",
        ),
        (
            {"PublicSubnetIds": "subnet-1,subnet-2", "PrivateSubnetIds": "subnet-3, subnet-3"},
            "PrivateSubnetIds names 1 subnet: give at least 2, in different Availability Zones.",
        ),
        (
            {"PrivateSubnetIds": "subnet-1,subnet-2"},
            "IngressScheme is internet-facing but PublicSubnetIds is empty: give your public "
            "subnets, or choose the IngressScheme internal.",
        ),
        (
            {"StackName": "a" * 41},
            f"The stack's name {'a' * 41} has 41 characters, but names derived from it leave room "
            "for 40: choose a shorter name.",
        ),
        (
            {"StackName": "1-airflow"},
            "The stack's name '1-airflow' must start with a letter and hold only letters, digits "
            "and hyphens: choose another name.",
        ),
    ],
)
def test_says_what_to_change_when_a_parameter_is_impossible(properties, changes, expected):
    assert find_problems({**properties, **changes}) == [expected]


@pytest.mark.parametrize(
    "changes",
    [
        {"WorkerMinCount": "10", "WorkerMaxCount": "10"},
        {"WorkerConcurrency": "14"},
        {"StackName": "a" * 40},
        {"PublicSubnetIds": "subnet-1,subnet-2", "PrivateSubnetIds": "subnet-3,subnet-4"},
        {"PrivateSubnetIds": "subnet-3,subnet-4", "IngressScheme": "internal"},
    ],
)
def test_finds_nothing_when_a_parameter_is_just_possible(properties, changes):
    assert find_problems({**properties, **changes}) == []


@pytest.mark.parametrize("cpu", MEMORY_BY_CPU)
def test_accepts_the_ends_and_refuses_what_lies_beyond_when_given_a_cpu(properties, cpu):
    sizes = MEMORY_BY_CPU[cpu]
    for memory in (sizes[0], sizes[-1]):
        legal = {"ApiServerCpu": str(cpu), "ApiServerMemoryMib": str(memory)}
        assert find_problems({**properties, **legal}) == []
    for memory in (sizes[0] - 1, sizes[0] + 1, sizes[-1] + 1024):
        illegal = {"ApiServerCpu": str(cpu), "ApiServerMemoryMib": str(memory)}
        assert len(find_problems({**properties, **illegal})) == 1


def test_names_the_parameter_when_the_template_does_not_pass_it(properties):
    del properties["WorkerCpu"]
    with pytest.raises(MissingPropertyError, match="does not pass WorkerCpu"):
        find_problems(properties)


@pytest.mark.parametrize(
    ("fleets", "expected"),
    [
        (
            '{"heavy": {"cpu": 4096, "memoryMib": 4096}}',
            "WorkerFleets: heavy would have CPU 4096 and 4096 MiB. Fargate does not sell 4096 MiB "
            "with CPU 4096: choose 8192 to 30720 in steps of 1024, or another CPU.",
        ),
        (
            '{"heavy": {"cpu": 4096}}',
            "WorkerFleets: heavy would have CPU 4096 and 4096 MiB. Fargate does not sell 4096 MiB "
            "with CPU 4096: choose 8192 to 30720 in steps of 1024, or another CPU.",
        ),
        (
            '{"heavy": {"concurrency": 100}}',
            "WorkerFleets: heavy would have 4096 MiB for 100 tasks at once, which need at least "
            "26112, 512 for the worker and 256 for each task: raise its memoryMib or lower its "
            "concurrency.",
        ),
        (
            '{"heavy": {"minCount": 3, "maxCount": 2}}',
            "WorkerFleets: heavy would have at least 3 and at most 2 workers: raise its maxCount "
            "or lower its minCount.",
        ),
        (
            '{"default": {"floors": [{"days": "sat", "from": "08:00", "to": "18:00", '
            '"timezone": "UTC", "workers": 11}]}}',
            "WorkerFleets: default has a floor of 11 workers, but may have at most 10: raise its "
            "maxCount or lower the floor.",
        ),
        (
            '{"heavy": {"aheadMaxCount": 2}}',
            "WorkerFleets: heavy would start workers ahead of the schedule, but "
            "WorkerAheadMaxCount is 0, so the schedule is not announced: raise "
            "WorkerAheadMaxCount, or leave its aheadMaxCount out.",
        ),
        (
            "{heavy: {}}",
            "WorkerFleets is no JSON at line 1, column 2 (Expecting property name enclosed in "
            "double quotes): mend it, or set it to {}.",
        ),
    ],
)
def test_says_what_to_change_when_a_fleet_is_impossible(properties, fleets, expected):
    changes = {"WorkerQueueNames": "heavy", "WorkerFleets": fleets}
    assert find_problems({**properties, **changes}) == [expected]


def test_finds_nothing_when_a_fleet_is_possible(properties):
    fleets = '{"heavy": {"cpu": 4096, "memoryMib": 16384, "concurrency": 2, "maxCount": 5}}'
    changes = {"WorkerQueueNames": "heavy", "WorkerFleets": fleets}
    assert find_problems({**properties, **changes}) == []


def test_tells_it_once_when_a_parameter_is_wrong_for_every_fleet(properties):
    changes = {"WorkerQueueNames": "heavy", "WorkerMinCount": "11", "WorkerFleets": "{}"}
    assert len(find_problems({**properties, **changes})) == 1


def test_makes_the_role_when_nothing_is_wrong(properties):
    roles = InMemoryServiceLinkedRoles()
    check(properties, roles)
    assert roles.services == [ECS_SERVICE]


def test_tells_all_problems_and_makes_no_role_when_several_things_are_wrong(properties):
    roles = InMemoryServiceLinkedRoles()
    properties |= {"WorkerMinCount": "11", "SchedulerMemoryMib": "8192"}
    with pytest.raises(ParametersRefusedError) as caught:
        check(properties, roles)
    assert "SchedulerMemoryMib is 8192" in str(caught.value)
    assert "WorkerMinCount is 11" in str(caught.value)
    assert roles.services == []
