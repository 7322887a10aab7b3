"""`upgrade-schema` and `restore-schema`: migrate the database to this image's heads, and back.

Both are commands of the newer of two images. The migration runs before the services that need it
are updated. If anything fails afterwards, CloudFormation's rollback runs `restore-schema`, still
with the newer image, because only that one contains the downgrades.

Nothing is stopped and nothing is changed when the schema already has the wanted heads.

`upgrade-schema --first-user [EMAIL]` also does what `ensure-admin-user` does (`users.admin`), after
the migration and in its process: another task would start Airflow again, and an upgrade's services
would wait for it.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airflow_on_fargate.database import turn
from airflow_on_fargate.database.snapshot import SnapshotError, snapshot_id_for, take_snapshot
from airflow_on_fargate.schema import alembic_heads
from airflow_on_fargate.schema.alembic_heads import Heads
from airflow_on_fargate.schema.quiescence import Quiescence
from airflow_on_fargate.schema.upgrade_state import UpgradeState

# Version table -> the command that downgrades its tables; `db downgrade` handles only its own.
DOWNGRADES: Final[Mapping[str, tuple[str, ...]]] = {
    "alembic_version": ("db", "downgrade"),
    "alembic_version_fab": ("fab-db", "downgrade"),
}


class RefusedError(Exception):
    """Airflow cannot do this. Nothing was changed."""


class FirstUserError(Exception):
    """The schema is the one that is needed, but the first user could not be made."""


def _no_user() -> None:
    """Does nothing: the first user was not asked for."""


@dataclass(frozen=True)
class SchemaChange:
    """The two commands, and the functions that they use."""

    state: UpgradeState
    quiescence: Quiescence
    found: Callable[[], Heads]
    # Airflow's migration and, where it is asked for, the first user.
    migrate: Callable[[], None]
    airflow: Callable[[Sequence[str]], None]
    snapshot: Callable[[], None]
    needed: Heads
    known: Heads
    # The first user, where nothing is migrated.
    ensure_user: Callable[[], None] = _no_user

    def upgrade(self) -> str:
        """Migrate to this image's heads; returns a sentence about what was done."""
        found = self.found()
        if found == self.needed:
            self.ensure_user()
            return f"The schema is up to date: {described(found)}. Nothing was stopped."
        if not any(found.values()):
            # A new database: no services use it, and there is no state to go back to.
            self.migrate()
            return f"Created the schema: {described(self.found())}"
        self._refuse_what_is_newer(found)
        # First, because from here on a rollback waits for this task and undoes its changes.
        if not self.state.record_heads(found):
            raise RefusedError("This upgrade was rolled back before it began; nothing was changed")
        self.snapshot()
        self.quiescence.begin()
        self.migrate()
        return f"Migrated from {described(found)} to {described(self.found())}"

    def restore(self, heads: Heads | None = None) -> str:
        """Downgrade to the heads given, or to those recorded before the migration."""
        heads = heads or self.state.heads_before()
        if heads is None:
            return "No migration to this revision was recorded, so there is nothing to restore."
        found = self.found()
        # Tables that did not exist before the migration stay: Airflow cannot remove them.
        lower = {t: wanted for t, wanted in heads.items() if wanted and wanted != found[t]}
        if not lower:
            return f"The schema is as before: {described(found)}. Nothing was stopped."
        for table, wanted in lower.items():
            if not wanted <= self.known[table]:
                raise RefusedError(
                    f"This image does not know the head {', '.join(sorted(wanted))} of {table}: "
                    "run restore-schema with the newer image"
                )
        self.quiescence.begin()
        for table, wanted in lower.items():
            self.airflow((*DOWNGRADES[table], "--yes", "--to-revision", *sorted(wanted)))
        now = self.found()
        for table, wanted in lower.items():
            if now[table] != wanted:
                raise RuntimeError(f"{table} is at {described(now)} after the downgrade")
        return f"Downgraded from {described(found)} to {described(now)}"

    def _refuse_what_is_newer(self, found: Heads) -> None:
        unknown = {t: heads - self.known[t] for t, heads in found.items() if heads - self.known[t]}
        if not unknown:
            return
        targets = " ".join(f"{table}={head}" for table in unknown for head in self.needed[table])
        raise RefusedError(
            f"The schema is newer than this image: {described(unknown)} is not known here. "
            "An older Airflow cannot undo the migrations of a newer one; nothing was changed. Do "
            "one of these: with the newer image deployed, run the command 'restore-schema "
            f"{targets}' and then deploy this image; or restore the snapshot taken before the "
            "upgrade; or deploy the newer image again"
        )


def upgrade(*words: str) -> int:
    """`upgrade-schema`: exit code 0 when the schema is the one that this image needs."""
    return _exit_code_of(lambda change: change.upgrade(), first_user_from(words))


def restore(*words: str) -> int:
    """`restore-schema [table=head …]`: exit code 0 when the schema has these heads."""
    return _exit_code_of(lambda change: change.restore(heads_from(words)))


def first_user_from(words: Sequence[str]) -> list[str] | None:
    """The arguments of `ensure-admin-user`; None where the first user is not asked for."""
    parser = argparse.ArgumentParser(prog="upgrade-schema")
    parser.add_argument(
        "--first-user", nargs="*", metavar="EMAIL", help="create or update the first user too"
    )
    asked: list[str] | None = parser.parse_args(words).first_user
    return asked


def _exit_code_of(
    act: Callable[["SchemaChange"], str], first_user: Sequence[str] | None = None
) -> int:
    try:
        # When a rollback begins, the migration may still run, longer than its time limit.
        with turn.taken(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]):
            print(act(_on_aws(first_user)))
    except (RefusedError, SnapshotError) as refusal:
        print(refusal, flush=True)
        return 2
    except FirstUserError as failure:
        print(failure, flush=True)
        return 1
    except subprocess.CalledProcessError as failure:
        # Airflow has logged the reason before.
        print(
            f"'{' '.join(failure.cmd[2:])}' ended with exit code {failure.returncode}", flush=True
        )
        return 1
    return 0


def heads_from(words: Sequence[str]) -> Heads | None:
    """`alembic_version=1a2b alembic_version_fab=3c4d` as heads; None without arguments."""
    heads = {}
    for word in words:
        table, _, head = word.partition("=")
        if table not in alembic_heads.MIGRATIONS or not head:
            raise RefusedError(
                f"Give heads as <table>=<head>, the table being one of "
                f"{', '.join(alembic_heads.MIGRATIONS)}; not {word!r}"
            )
        heads[table] = frozenset({head})
    return heads or None


def described(heads: Heads) -> str:
    """Heads as text for logs."""
    return ", ".join(f"{t} {'+'.join(sorted(found)) or 'empty'}" for t, found in heads.items())


def _on_aws(first_user: Sequence[str] | None) -> SchemaChange:
    import boto3

    from airflow_on_fargate.schema import task_identity
    from airflow_on_fargate.users import admin

    identity = task_identity.read()
    state = UpgradeState(boto3.client("s3"), os.environ["STATE_BUCKET_NAME"], identity)
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]

    def snapshot() -> None:
        instance = os.environ.get("DATABASE_INSTANCE_ID")
        if not instance:
            raise RefusedError("DATABASE_INSTANCE_ID is not set: no snapshot, so no migration")
        # The task definition's revision: every attempt at the same upgrade shares it.
        snapshot_id = snapshot_id_for(identity.stack_name, identity.revision)
        take_snapshot(boto3.client("rds"), instance, snapshot_id)

    def migrate() -> None:
        if first_user is None:
            _airflow(("db", "migrate"))
        else:
            _run("airflow_on_fargate.users.after_migration", *first_user)

    def ensure_user() -> None:
        if first_user is not None and admin.main(*first_user):
            raise FirstUserError("The first user could not be created or updated")

    return SchemaChange(
        state=state,
        quiescence=Quiescence(boto3.client("ecs"), identity, state),
        found=lambda: alembic_heads.found_heads(url),
        migrate=migrate,
        airflow=_airflow,
        snapshot=snapshot,
        needed=alembic_heads.needed_heads(),
        known=alembic_heads.known_revisions(),
        ensure_user=ensure_user,
    )


def _airflow(arguments: Sequence[str]) -> None:
    _run("airflow", *arguments)


def _run(module: str, *arguments: str) -> None:
    # A child, so that this process keeps its turn and can check the result.
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)
