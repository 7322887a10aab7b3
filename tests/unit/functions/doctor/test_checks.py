"""Each check: what it finds, and that it finds nothing where nothing is wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from doctor.checks import account, components, data, roles, work
from doctor.model import Finding, Level, ok, table, warn, worst
from doctor.ports import (
    CertificateState,
    DatabaseState,
    DefinitionState,
    FleetMemory,
    ImageState,
    Pause,
    QueueState,
    ReleaseState,
    SchemaAnswer,
    SecretState,
    ServiceState,
    TaskState,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
QUEUE = QueueState("default", True, waiting=2, running=3, visibility_seconds=43_200)
DATABASE = DatabaseState("available", NOW + 900 * DAY, 7)
RELEASE = ReleaseState("2026-11-28", NOW - timedelta(minutes=3))
IDLE = FleetMemory()
STANDING = [TaskState("airflow-api-server", "RUNNING", "HEALTHY", 0.5)] * 2
WORKERS = [TaskState("airflow-worker", "RUNNING", "HEALTHY", 1)] * 3


def levels(findings) -> list[Level]:
    return [finding.level for finding in findings]


HEALTHY = {
    "service": lambda: components.services([ServiceState("ApiServerService", 2, 2)]),
    "no pause": lambda: [*components.paused(None, NOW), ok("")],
    "tasks": lambda: components.health(STANDING),
    "database": lambda: data.database(DATABASE, NOW),
    "schema": lambda: data.schema(SchemaAnswer(0, "")),
    "schema not asked": lambda: data.schema(None),
    "secrets": lambda: data.secrets([SecretState("key", NOW - 10 * DAY)], NOW),
    "queue": lambda: work.queue(QUEUE, IDLE, NOW),
    "queue of Valkey": lambda: work.queue(
        QueueState("default", True, waiting=2, visibility_seconds=None), IDLE, NOW
    ),
    "releases": lambda: work.releases(RELEASE, NOW),
    "quota": lambda: account.fargate(6, STANDING, 1, 5),
    "functions": lambda: account.functions(1000),
    "addresses": lambda: account.addresses({"subnet-1": 251, "subnet-2": 251}, 100),
    "image": lambda: account.image(ImageState(NOW - 100 * DAY), NOW),
    "certificate": lambda: account.certificate(
        CertificateState("ISSUED", NOW + 90 * DAY, True), NOW
    ),
    "no certificate": lambda: account.certificate(None, NOW),
    "clock": lambda: account.clock(NOW, NOW + timedelta(seconds=2)),
    "alarms": lambda: account.alarms({}),
    "stack": lambda: account.stack("UPDATE_COMPLETE"),
    "other image": lambda: account.other_image("example/airflow:1"),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_where_nothing_is_wrong(name):
    assert levels(HEALTHY[name]()) == [Level.OK]


def service(desired=1, running=1, rollout="COMPLETED", reason=""):
    return components.services([ServiceState("Scheduler", desired, running, rollout, reason)])


FAULTS = [
    ("no services", Level.FAIL, "has no services", lambda: components.services([])),
    ("too few tasks", Level.FAIL, "0 of 1 tasks run", lambda: service(running=0)),
    ("set to zero", Level.FAIL, "set to 0 tasks", lambda: service(desired=0, running=0)),
    (
        "failed deployment", Level.FAIL, "circuit breaker",
        lambda: service(running=0, rollout="FAILED", reason="circuit breaker"),
    ),
    (
        "deployment", Level.WARN, "during a deployment",
        lambda: service(running=0, rollout="IN_PROGRESS"),
    ),
    (
        "forgotten pause", Level.FAIL, "2 services are stopped for a schema change",
        lambda: components.paused(Pause(2, NOW - 2 * HOUR), NOW),
    ),
    (
        "pause", Level.WARN, "2 services are stopped",
        lambda: components.paused(Pause(2, NOW - timedelta(minutes=5)), NOW),
    ),
    (
        "sick task", Level.FAIL, "A task of airflow-worker is unhealthy",
        lambda: components.health([TaskState("airflow-worker", "RUNNING", "UNHEALTHY", 1)]),
    ),
    ("no database", Level.FAIL, "does not exist", lambda: data.database(None, NOW)),
    (
        "stopped database", Level.FAIL, "database is stopped",
        lambda: data.database(DatabaseState("stopped", None, 7), NOW),
    ),
    (
        "full database", Level.FAIL, "no storage left",
        lambda: data.database(DatabaseState("storage-full", None, 7), NOW),
    ),
    (
        "strange database", Level.FAIL, "incompatible-network",
        lambda: data.database(DatabaseState("incompatible-network", None, 7), NOW),
    ),
    (
        "no backups", Level.FAIL, "has no backups",
        lambda: data.database(DatabaseState("available", None, 0), NOW),
    ),
    (
        "authority that expires", Level.WARN, "valid until 2027-01-27",
        lambda: data.database(DatabaseState("available", NOW + 60 * DAY, 7), NOW),
    ),
    (
        "authority that has expired", Level.FAIL, "valid until 2026-11-27",
        lambda: data.database(DatabaseState("available", NOW - DAY, 7), NOW),
    ),
    (
        "old schema", Level.FAIL, "exit code 1",
        lambda: data.schema(SchemaAnswer(1, "The command ended with exit code 1")),
    ),
    (
        "slow schema", Level.WARN, "still runs", lambda: data.schema(SchemaAnswer(None, "")),
    ),
    (
        "refused check", Level.WARN, "busy",
        lambda: data.schema(SchemaAnswer(1, "busy", refused=True)),
    ),
    (
        "missing secret", Level.FAIL, "key does not exist",
        lambda: data.secrets([SecretState("key", None, exists=False)], NOW),
    ),
    (
        "deleted secret", Level.FAIL, "key is being deleted",
        lambda: data.secrets([SecretState("key", NOW, deleted_at=NOW)], NOW),
    ),
    (
        "old secret", Level.WARN, "key is from 2025-11-18",
        lambda: data.secrets([SecretState("key", NOW - 375 * DAY)], NOW),
    ),
    (
        "missing queue", Level.FAIL, "queue heavy does not exist",
        lambda: work.queue(QueueState("heavy", False), IDLE, NOW),
    ),
    (
        "short visibility", Level.FAIL, "come back after 30 s",
        lambda: work.queue(QueueState("q", True, visibility_seconds=30), IDLE, NOW),
    ),
    (
        "dead letters", Level.WARN, "4 messages are in the dead-letter queue",
        lambda: work.queue(
            QueueState("q", True, visibility_seconds=43_200, dead_letters=4), IDLE, NOW
        ),
    ),
    (
        "paused with work", Level.FAIL, "2 tasks wait, and launches are paused",
        lambda: work.queue(QUEUE, FleetMemory(paused=True), NOW),
    ),
    (
        "paused", Level.WARN, "launches are paused",
        lambda: work.queue(
            QueueState("q", True, visibility_seconds=43_200), FleetMemory(paused=True), NOW
        ),
    ),
    (
        "dying workers", Level.FAIL, "3 workers died within an hour",
        lambda: work.queue(QUEUE, FleetMemory(deaths=(NOW,) * 3), NOW),
    ),
    ("no release", Level.WARN, "No DAG was published", lambda: work.releases(
        ReleaseState(None), NOW
    )),
    (
        "silent dag-processor", Level.FAIL, "silent for 30 minutes",
        lambda: work.releases(ReleaseState("r", NOW - timedelta(minutes=30)), NOW),
    ),
    (
        "no report", Level.WARN, "has not reported",
        lambda: work.releases(ReleaseState("r", None), NOW),
    ),
    (
        "import errors", Level.WARN, "2 DAG files cannot be imported, first a.py",
        lambda: work.releases(ReleaseState("r", NOW, 2, "a.py"), NOW),
    ),
    (
        "files that stay out", Level.WARN, "3 files stay out of release r",
        lambda: work.releases(ReleaseState("r", NOW, exclusions=3), NOW),
    ),
    (
        "quota below the maximum", Level.WARN, "with all 10 workers it would be 11",
        lambda: account.fargate(6, [*STANDING, *WORKERS], 1, 10),
    ),
    (
        "used-up quota", Level.FAIL, "4 of 4 Fargate vCPU are in use here",
        lambda: account.fargate(4, [*STANDING, *WORKERS], 1, 10),
    ),
    ("no executions", Level.FAIL, "3 concurrent executions", lambda: account.functions(3)),
    ("new account", Level.WARN, "10 concurrent executions", lambda: account.functions(10)),
    (
        "full subnet", Level.FAIL, "subnet-1 has 3 free addresses",
        lambda: account.addresses({"subnet-1": 3, "subnet-2": 200}, 5),
    ),
    (
        "small subnets", Level.WARN, "22 free addresses for 100 workers",
        lambda: account.addresses({"subnet-1": 11, "subnet-2": 11}, 100),
    ),
    ("missing image", Level.FAIL, "does not have the image", lambda: account.image(None, NOW)),
    (
        "old image", Level.WARN, "200 days old",
        lambda: account.image(ImageState(NOW - 200 * DAY), NOW),
    ),
    (
        "certificate that expires", Level.WARN, "valid until 2026-12-18",
        lambda: account.certificate(CertificateState("ISSUED", NOW + 20 * DAY, False), NOW),
    ),
    (
        "certificate that ends this week", Level.FAIL, "valid until 2026-12-01",
        lambda: account.certificate(CertificateState("ISSUED", NOW + 3 * DAY, True), NOW),
    ),
    (
        "revoked certificate", Level.FAIL, "certificate is REVOKED",
        lambda: account.certificate(CertificateState("REVOKED", None, False), NOW),
    ),
    (
        "clock that goes wrong", Level.WARN, "differs by 90 s",
        lambda: account.clock(NOW, NOW + timedelta(seconds=90)),
    ),
    ("wrong clock", Level.FAIL, "differs by 3600 s", lambda: account.clock(NOW, NOW - HOUR)),
    (
        "alarm", Level.FAIL, "The alarm a rings. Workers die.",
        lambda: account.alarms({"a": "Workers die."}),
    ),
    ("stuck stack", Level.FAIL, "UPDATE_ROLLBACK_FAILED", lambda: account.stack(
        "UPDATE_ROLLBACK_FAILED"
    )),
    ("rolled-back stack", Level.WARN, "UPDATE_ROLLBACK_COMPLETE", lambda: account.stack(
        "UPDATE_ROLLBACK_COMPLETE"
    )),
    ("deploying stack", Level.WARN, "UPDATE_IN_PROGRESS", lambda: account.stack(
        "UPDATE_IN_PROGRESS"
    )),
]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "what", "check"),
    [pytest.param(*fault[1:], id=fault[0]) for fault in FAULTS],
)
def test_fault_is_found_and_has_a_next_step(level, what, check):
    (finding,) = [each for each in check() if each.level != Level.OK]

    assert finding.level == level
    assert what in finding.what
    assert finding.next_step


class Policies:
    """Roles that may do everything but some actions."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.asked: list[tuple[str, str, str]] = []

    def denied(self, role_arn, actions, resource):
        self.asked += [(role_arn, action, resource) for action in actions]
        return [action for action in actions if action in self.refused]


NAMES = roles.Names("airflow", "arn:aws-cn:ecs:cn-north-1:123456789012:cluster/airflow", "dags")
SECRET = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:key-AbCdEf"


def definition(*containers: str) -> DefinitionState:
    return DefinitionState(
        "airflow-x", "arn:aws-cn:iam::1:role/task", "arn:aws-cn:iam::1:role/agent", (SECRET,),
        ("group",), containers, "image",
    )  # fmt: skip


def test_roles_are_asked_for_what_their_containers_do():
    policies = Policies()

    assert levels(roles.roles([definition("worker")], NAMES, policies)) == [Level.OK]

    queue = "arn:aws-cn:sqs:cn-north-1:123456789012:airflow-queue-default"
    pointer = "arn:aws-cn:s3:::dags/releases/current.json"
    stream = "arn:aws-cn:logs:cn-north-1:123456789012:log-group:group:log-stream:doctor"
    assert policies.asked == [
        ("arn:aws-cn:iam::1:role/agent", "secretsmanager:GetSecretValue", SECRET),
        ("arn:aws-cn:iam::1:role/agent", "logs:CreateLogStream", stream),
        ("arn:aws-cn:iam::1:role/agent", "logs:PutLogEvents", stream),
        ("arn:aws-cn:iam::1:role/task", "sqs:ReceiveMessage", queue),
        ("arn:aws-cn:iam::1:role/task", "sqs:DeleteMessage", queue),
        ("arn:aws-cn:iam::1:role/task", "s3:GetObject", pointer),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("container", "action"),
    [
        ("api-server", "secretsmanager:GetSecretValue"),
        ("scheduler", "sqs:SendMessage"),
        ("scheduler", "lambda:InvokeFunction"),
        ("worker", "sqs:ReceiveMessage"),
    ],
)
def test_lost_permission_of_a_role_is_found(container, action):
    (finding,) = roles.roles([definition(container)], NAMES, Policies(action))

    assert finding.level == Level.FAIL
    assert f"may not call {action} on " in finding.what


def test_roles_are_not_asked_for_queues_of_sqs_with_valkey():
    policies = Policies()
    names = replace(NAMES, has_sqs=False)
    list(roles.roles([definition("worker"), definition("scheduler")], names, policies))

    asked = [action for _, action, _ in policies.asked]
    assert [action for action in asked if action.startswith("sqs:")] == []
    assert {"s3:GetObject", "lambda:InvokeFunction"} <= set(asked)


def test_compact_control_plane_is_asked_for_the_scheduler_in_it():
    policies = Policies()
    list(roles.roles([definition("scheduler", "dag-processor", "triggerer")], NAMES, policies))

    assert "lambda:InvokeFunction" in [action for _, action, _ in policies.asked]


def test_table_begins_with_what_is_worst_and_names_the_next_step():
    findings = [
        Finding(Level.OK, "fine", check="image"),
        Finding(Level.WARN, "old", "renew it", "secrets"),
        Finding(Level.FAIL, "gone", "make it again", "queues"),
    ]

    assert table(findings).splitlines() == [
        "FAIL  queues   gone",
        "               → make it again",
        "WARN  secrets  old",
        "               → renew it",
        "OK    image    fine",
    ]
    assert worst(findings) == 2
    assert worst([ok("fine")]) == 0
    assert worst([warn("old", "renew it")]) == 1
