"""Which parameters are refused, and what the user reads."""

import pytest

from preflight.checks.all_checks import find_problems
from preflight.parameters import MissingPropertyError
from shared.fargate_sizes import MEMORY_BY_CPU

VPC = {"Vpc": "vpc-0a1b2c3d", "PrivateSubnetIds": "subnet-3,subnet-4"}
MICRO = {"EnvironmentClass": "micro", "SchedulerTasks": "1x512/2048"}


@pytest.fixture
def problems(properties):
    return lambda **changes: find_problems({**properties, **changes})


def test_nothing_is_refused_when_the_defaults_are_used(problems):
    assert problems() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"WorkerMaxCount": "0"},
            "WorkerMaxCount is '0': give a whole number of at least 1, such as 10.",
        ),
        (
            {"WorkerMaxCount": "class"},
            "WorkerMaxCount is 'class': give a whole number of at least 1, such as 10.",
        ),
        (
            {"WorkerSize": "1024/4096"},
            'WorkerSize is "1024/4096": write <CPU>/<MiB>/<slots> with 1 to 128 slots, such as '
            "1024/4096/8.",
        ),
        (
            {"WorkerSize": "1024/4096/15"},
            "WorkerSize is 1024/4096/15: 15 tasks at once need at least 4352 MiB, 512 for the "
            "worker and 256 for each task: raise the memory or lower the number of slots.",
        ),
        (
            {"SchedulerTasks": "1x512/8192"},
            "SchedulerTasks is 1x512/8192. Fargate does not offer 8192 MiB with CPU 512: choose "
            "1024 to 4096 in steps of 1024, or another CPU.",
        ),
        (
            {"ApiServerTasks": "2x500/1024"},
            "ApiServerTasks is 2x500/1024. Fargate does not offer CPU 500: choose 256, 512, 1024, "
            "2048, 4096, 8192 or 16384.",
        ),
        (
            {"SchedulerTasks": "class"},
            "SchedulerTasks is 'class': write <tasks>x<CPU>/<MiB>, such as 1x1024/2048.",
        ),
        (
            {**MICRO, "SchedulerTasks": "1x256/512"},
            "SchedulerTasks asks for 512 MiB, but in EnvironmentClass micro scheduler, "
            "dag-processor and triggerer share this task and need at least 1024: raise it.",
        ),
        (
            {**MICRO, "SchedulerTasks": "2x512/2048"},
            "SchedulerTasks asks for 2 tasks, but in EnvironmentClass micro the control plane is "
            "one task: set the number to 1, or choose EnvironmentClass small.",
        ),
        (
            {"Database": "db.t4g.small/20"},
            "Database is 'db.t4g.small/20': write <instance class>/<GiB>/<single-az or multi-az>, "
            "such as db.t4g.medium/50/multi-az.",
        ),
        (
            {**VPC, "PublicSubnetIds": ["subnet-1"]},
            "PublicSubnetIds names 1 subnet: give at least 2, in different Availability Zones.",
        ),
        (
            {**VPC, "PrivateSubnetIds": "subnet-3, subnet-3"},
            "PrivateSubnetIds names 1 subnet: give at least 2, in different Availability Zones.",
        ),
        (
            {"Vpc": "vpc-0a1b2c3d"},
            "Vpc is vpc-0a1b2c3d but PrivateSubnetIds is empty: give the subnets for tasks and "
            "database.",
        ),
        (
            {**VPC, "NetworkMode": "single-nat"},
            "NetworkMode is single-nat, but it describes a VPC that the stack creates, and Vpc is "
            "vpc-0a1b2c3d: set NetworkMode to class.",
        ),
        (
            {**VPC, "Options": "x86,flow-logs"},
            "Options contains flow-logs, but Vpc is vpc-0a1b2c3d, which is not the stack's: create "
            "a flow log on your VPC, and leave the word out.",
        ),
        (
            {"ImageUri": "example/airflow:1", "Options": "x86,refuse-high"},
            "Options contains refuse-high, but AirflowImageUri names an image of your own, whose "
            "scan the stack does not read: refuse it where you push it, and leave the word out.",
        ),
        (
            {"ImageUri": "example/airflow:1", "Options": "codebuild"},
            "Options contains codebuild, but AirflowImageUri names an image of your own, so the "
            "stack builds none: leave the word or AirflowImageUri out.",
        ),
        (
            {**VPC, "IngressMode": "load-balancer"},
            "IngressMode is load-balancer but PublicSubnetIds is empty: give your public subnets, "
            "or set IngressMode to cloudfront or internal.",
        ),
        (
            {"PrivateSubnetIds": "subnet-3,subnet-4"},
            "Vpc is 10.0.0.0/16, so the stack creates a VPC, but subnets are given: set Vpc to the "
            "id of their VPC, or leave PublicSubnetIds and PrivateSubnetIds empty.",
        ),
        (
            {"StackName": "a" * 41},
            f"The stack's name {'a' * 41} has 41 characters, but names derived from it leave room "
            "for 40: choose a shorter name.",
        ),
        (
            {"StackName": "1-airflow"},
            "The stack's name '1-airflow' must start with a letter and contain only letters, "
            "digits and hyphens: choose another name.",
        ),
        (
            {"DagReleases": '{"maxFiles": 0}'},
            "DagReleases.maxFiles is 0: choose a whole number from 1 to 100000.",
        ),
        (
            {"AirflowConfiguration": '{"core": {"executor": "LocalExecutor"}}'},
            "AirflowConfiguration.core.executor is set by the stack, because tasks run on the "
            "stack's workers: remove it.",
        ),
    ],
)
def test_reports_what_to_change_when_a_parameter_is_refused(problems, changes, expected):
    assert problems(**changes) == [expected]


@pytest.mark.parametrize(
    "changes",
    [
        {"WorkerSize": "1024/4096/14"},
        {"StackName": "a" * 40},
        VPC,
        {**VPC, "PublicSubnetIds": "subnet-1,subnet-2", "IngressMode": "load-balancer"},
        {**VPC, "IngressMode": "internal"},
        {"ImageUri": "", "Options": "refuse-critical,codebuild"},
        {"ApiServerTasks": "2x1024/3072", "TriggererTasks": "none"},
        # The template's Rule refuses these two; their sizes are not read.
        {**MICRO, "DagProcessorTasks": "1x1/1", "TriggererTasks": "none"},
        {**MICRO, "SchedulerTasks": "1x256/1024"},
        {"DagReleases": '{"maxFiles": 1, "maxMib": 512, "kept": 2, "keptDays": 0}'},
    ],
)
def test_nothing_is_refused_when_a_parameter_is_just_possible(problems, changes):
    assert problems(**changes) == []


@pytest.mark.parametrize("cpu", MEMORY_BY_CPU)
def test_the_ends_of_a_cpus_memory_are_accepted_and_what_lies_beyond_is_refused(problems, cpu):
    sizes = MEMORY_BY_CPU[cpu]
    for memory in (sizes[0], sizes[-1]):
        assert problems(ApiServerTasks=f"1x{cpu}/{memory}") == []
    for memory in (sizes[0] - 1, sizes[0] + 1, sizes[-1] + 1024):
        assert len(problems(ApiServerTasks=f"1x{cpu}/{memory}")) == 1


def test_the_parameter_is_named_when_the_template_does_not_pass_it(properties):
    del properties["WorkerSize"]
    with pytest.raises(MissingPropertyError, match="does not pass WorkerSize"):
        find_problems(properties)


@pytest.mark.parametrize(
    ("fleets", "expected"),
    [
        (
            '{"heavy": {"size": "4096/4096/2"}}',
            "WorkerFleets.heavy.size is 4096/4096/2. Fargate does not offer 4096 MiB with CPU "
            "4096: choose 8192 to 30720 in steps of 1024, or another CPU.",
        ),
        (
            '{"default": {"size": "1024/4096/100"}}',
            "WorkerFleets.default.size is 1024/4096/100: 100 tasks at once need at least 26112 "
            "MiB, 512 for the worker and 256 for each task: raise the memory or lower the number "
            "of slots.",
        ),
        (
            '{"heavy": {"minCount": 3, "maxCount": 2}}',
            "WorkerFleets.heavy would have at least 3 and at most 2 workers: raise its maxCount or "
            "lower its minCount.",
        ),
        (
            '{"default": {"floors": [{"days": "sat", "from": "08:00", "to": "18:00", '
            '"timezone": "UTC", "workers": 11}]}}',
            "WorkerFleets.default has a floor of 11 workers, but may have at most 10: raise its "
            "maxCount or lower the floor.",
        ),
        (
            "{heavy: {}}",
            "WorkerFleets is not valid JSON (line 1, column 2: Expecting property name enclosed in "
            "double quotes). The value that arrived is '{heavy: {}}': its double quotes seem to be "
            "lost. After sam deploy --parameter-overrides, JSON needs quotes for SAM inside those "
            "for the shell: write WorkerFleets=\\''{…}'\\' with your JSON in place of {…}.",
        ),
        (
            '{"heavy": }',
            "WorkerFleets is not valid JSON (line 1, column 11: Expecting value). The value that "
            "arrived is '{\"heavy\": }': correct it, or set it to {}.",
        ),
    ],
)
def test_reports_what_to_change_when_a_fleet_is_refused(problems, fleets, expected):
    assert problems(WorkerQueueNames="heavy", WorkerFleets=fleets) == [expected]


def test_workers_ahead_of_the_schedule_are_refused_in_class_micro(problems):
    fleets = {"WorkerFleets": '{"default": {"aheadMaxCount": 2}}'}
    assert problems(**fleets) == []
    assert problems(**MICRO, **fleets) == [
        "WorkerFleets.default.aheadMaxCount is 2, but the scheduler of EnvironmentClass micro "
        "publishes no forecast: choose EnvironmentClass small, or remove aheadMaxCount."
    ]
    assert problems(**MICRO, WorkerFleets='{"default": {"aheadMaxCount": 0}}') == []


def test_nothing_is_refused_when_a_fleet_is_possible(problems):
    fleets = '{"heavy": {"size": "4096/16384/2", "maxCount": 5, "idleTimeoutSeconds": 3600}}'
    assert problems(WorkerQueueNames="a,,heavy", WorkerFleets=fleets) == []
