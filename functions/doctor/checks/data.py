"""The database, its schema, and the secrets."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from doctor.model import Finding, fail, ok, warn
from doctor.ports import DatabaseState, SchemaAnswer, SecretState

_CERTIFICATE_WARNING = timedelta(days=90)
_CERTIFICATE_FAILURE = timedelta(days=14)
_SECRET_DUE = timedelta(days=365)
# States in which RDS serves connections.
_SERVES = ("available", "backing-up", "modifying", "storage-optimization", "upgrading")


def database(found: DatabaseState | None, now: datetime) -> Iterator[Finding]:
    if found is None:
        yield fail("The database instance does not exist", "Restore it from a snapshot")
        return
    if found.status == "stopped":
        yield fail("The database is stopped", "aws rds start-db-instance")
    elif found.status == "storage-full":
        yield fail("The database has no storage left", "Set Database to more GiB and deploy")
    elif found.status not in _SERVES:
        yield fail(f"The database is {found.status}", "aws rds describe-events names the cause")
    else:
        yield ok(f"The database is {found.status}")
    if found.backup_days == 0:
        yield fail("The database has no backups", "Deploy again: the class sets BackupDays")
    yield from _certificate(found, now)


def _certificate(found: DatabaseState, now: datetime) -> Iterator[Finding]:
    if found.certificate_until is None:
        return
    left = found.certificate_until - now
    what = f"The database's certificate is valid until {found.certificate_until:%Y-%m-%d}"
    step = "aws rds modify-db-instance --ca-certificate-identifier; the database restarts"
    if left < _CERTIFICATE_FAILURE:
        yield fail(what, step)
    elif left < _CERTIFICATE_WARNING:
        yield warn(what, step)


def schema(answer: SchemaAnswer | None) -> Iterator[Finding]:
    if answer is None:
        yield ok('Not asked: call with {"schema": true} to ask the database itself (a minute)')
    elif answer.refused:
        yield warn(f"The schema could not be checked: {answer.reason}", "Try again in a minute")
    elif answer.exit_code is None:
        yield warn("The check of the schema still runs", "Call again: the answer is kept")
    elif answer.exit_code == 0:
        yield ok("The database answers, and its schema is the one that the image needs")
    else:
        yield fail(
            f"The database did not answer as it should: {answer.reason}",
            "docs/runbooks/command-failed.md; an unfinished upgrade: docs/upgrades.md",
        )


def secrets(found: Sequence[SecretState], now: datetime) -> Iterator[Finding]:
    problems = [problem for secret in found for problem in _secret(secret, now)]
    yield from problems
    if not problems:
        yield ok(f"{len(found)} secrets are there, the oldest is not due")


def _secret(secret: SecretState, now: datetime) -> Iterator[Finding]:
    if not secret.exists:
        yield fail(f"The secret {secret.name} does not exist", "docs/runbooks/rotate-secrets.md")
    elif secret.deleted_at is not None:
        yield fail(
            f"The secret {secret.name} is being deleted",
            "aws secretsmanager restore-secret, before its last day",
        )
    elif secret.changed_at is not None and now - secret.changed_at > _SECRET_DUE:
        yield warn(
            f"The secret {secret.name} is from {secret.changed_at:%Y-%m-%d}",
            "Rotate it: docs/runbooks/rotate-secrets.md, or the word rotate-secrets of Options",
        )
