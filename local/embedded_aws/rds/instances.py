"""AWS::RDS::DBInstance: a real PostgreSQL server on this machine.

ministack 1.5.33 only makes a record from a template, with an address that does not resolve.
As on AWS, the instance is available when the stack continues. Endpoint.Address is 127.0.0.1 and
Endpoint.Port is `settings.database_port`, whatever Port is.

There is one database port, so a second instance is refused. What would only seem to work is refused
as well: another engine, another major version than that of the local binaries, a password managed
by RDS. The master user owns the database and, as on RDS, is not a superuser. Parameter groups are
recorded, not applied.

As on RDS, storage does not shrink and a protected instance is not deleted.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ministack.services import rds
from ministack.services.cloudformation import provisioners

from embedded_aws.cloudformation.engine import Created, Properties, handlers_of, stack_named
from embedded_aws.cloudformation.operations.turns import others_meanwhile
from embedded_aws.rds.identifiers import problem_of
from embedded_aws.rds.postgres_server import (
    PostgresServer,
    copy_files,
    quoted_identifier,
    quoted_literal,
)
from embedded_aws.settings import Settings

INSTANCE = "AWS::RDS::DBInstance"
# Types that ministack only records.
_NOT_EMULATED = ("AWS::RDS::DBCluster", "AWS::DocDB::DBCluster", "AWS::DocDB::DBInstance")


def install(settings: Settings) -> None:
    for resource_type in _NOT_EMULATED:
        provisioners._RESOURCE_HANDLERS.pop(resource_type, None)
    instances = DatabaseInstances(settings, dict(handlers_of(INSTANCE)), _servers)
    _refuse_modifications_to_less_storage()
    handlers_of(INSTANCE).update(
        create=instances.create,
        update=instances.update,
        update_with_logical_id=True,
        delete=instances.delete,
        snapshot=instances.snapshot,
    )


class DatabaseError(ValueError):
    """The template asks for a database that this machine cannot provide."""


class DatabaseInstances:
    """The handlers of AWS::RDS::DBInstance, around those of ministack."""

    def __init__(
        self,
        settings: Settings,
        stock: dict[str, Callable[..., Created]],
        servers: dict[str, PostgresServer],
    ) -> None:
        self._settings = settings
        self._stock = stock
        self._directory = _directory(settings)
        self._servers = servers

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Created:
        self._refuse_a_second_instance()
        identifier = properties.get("DBInstanceIdentifier")
        problem = identifier and problem_of("DBInstanceIdentifier", str(identifier), 63)
        if problem:
            raise DatabaseError(f"{problem} (InvalidParameterValue)")
        instance_id, _attributes = self._stock["create"](logical_id, properties, stack_name)
        server = PostgresServer(
            self._directory / instance_id, self._settings.postgres_bin, self._settings.database_port
        )
        instance = rds._instances[instance_id]
        self._servers[instance_id] = server  # a second one is refused from now on
        try:
            _refuse_what_is_not_emulated(properties, server.major_version)
            status, instance["DBInstanceStatus"] = instance["DBInstanceStatus"], "creating"
            with others_meanwhile():
                self._start(server, properties)
            instance["DBInstanceStatus"] = status
        except Exception:
            del self._servers[instance_id]
            server.destroy()
            self._stock["delete"](instance_id, properties)
            raise
        instance["Endpoint"].update(Address="127.0.0.1", Port=self._settings.database_port)
        return instance_id, provisioners._rds_db_instance_attrs(instance)

    def update(
        self,
        instance_id: str,
        old: Properties,
        new: Properties,
        stack_name: str,
        logical_id: str,
    ) -> Created:
        if _storage(new) < _storage(old):
            if "ROLLBACK" not in (stack_named(stack_name) or {}).get("StackStatus", ""):
                raise DatabaseError(_less_storage(_storage(new), _storage(old)))
            # A rollback keeps the larger storage, as the resource's handler on AWS does.
            new = {**new, "AllocatedStorage": old["AllocatedStorage"]}
        updated: Created = self._stock["update"](instance_id, old, new, stack_name, logical_id)
        instance = rds._instances[instance_id]
        instance["Endpoint"]["Port"] = self._settings.database_port
        password = new.get("MasterUserPassword")
        if password != old.get("MasterUserPassword"):
            master = quoted_identifier(instance["MasterUsername"])
            self._servers[instance_id].execute(
                f"ALTER ROLE {master} PASSWORD {quoted_literal(str(password))};"
            )
        return updated[0], provisioners._rds_db_instance_attrs(instance)

    def delete(self, instance_id: str, properties: Properties) -> None:
        instance = rds._instances.get(instance_id)
        if instance and instance.get("DeletionProtection"):
            raise DatabaseError(
                f"Cannot delete protected DB Instance {instance_id}, please disable deletion "
                "protection and try again."
            )
        server = self._servers.pop(instance_id, None)
        if server is not None:
            with others_meanwhile():
                server.destroy()
        self._stock["delete"](instance_id, properties)

    def snapshot(self, instance_id: str, properties: Properties) -> None:
        """DeletionPolicy: Snapshot. Keep the files; the instance is deleted next."""
        server = self._servers.get(instance_id)
        if server is None:
            return
        target = snapshot_directory(self._settings, provisioners._snapshot_id(instance_id))
        with others_meanwhile():
            server.stop()
            copy_files(server.directory, target)
        self._stock["snapshot"](instance_id, properties)

    def _start(self, server: PostgresServer, properties: Properties) -> None:
        snapshot_id = properties.get("DBSnapshotIdentifier")
        if not snapshot_id:
            server.create()
            server.start()
            server.execute(_first_statements(properties))
            return
        snapshot = snapshot_directory(self._settings, str(snapshot_id).lower())
        if not snapshot.is_dir():
            raise DatabaseError(f"DBSnapshot {snapshot_id} not found.")
        server.copy_of(snapshot)
        server.start()

    def _refuse_a_second_instance(self) -> None:
        if self._servers:
            raise DatabaseError(
                f"The embedded AWS has one database port ({self._settings.database_port}), and "
                f"DB instance {next(iter(self._servers))} uses it: delete that one first."
            )


# The running servers by instance identifier.
_servers: dict[str, PostgresServer] = {}


def server_of(instance_id: str) -> PostgresServer | None:
    return _servers.get(instance_id)


def snapshot_directory(settings: Settings, snapshot_id: str) -> Path:
    return _directory(settings) / "snapshots" / snapshot_id


def _directory(settings: Settings) -> Path:
    return settings.state_dir / "postgres"


def _storage(properties: Properties) -> int:
    return int(properties.get("AllocatedStorage") or 0)


def _less_storage(asked: int, current: int) -> str:
    return (
        f"Requested storage size ({asked}) cannot be less than the current storage size "
        f"({current}). Verify the storage size and try again. (InvalidParameterCombination)"
    )


def _refuse_modifications_to_less_storage() -> None:
    modify = rds._ACTION_MAP["ModifyDBInstance"]

    def modify_upwards(params: dict[str, Any]) -> Any:
        instance = rds._resolve_instance(rds._p(params, "DBInstanceIdentifier"))
        asked = rds._p(params, "AllocatedStorage")
        if instance and asked and int(asked) < int(instance["AllocatedStorage"]):
            return rds._error(
                "InvalidParameterCombination",
                _less_storage(int(asked), int(instance["AllocatedStorage"])),
                400,
            )
        return modify(params)

    rds._ACTION_MAP["ModifyDBInstance"] = modify_upwards


def _refuse_what_is_not_emulated(properties: Properties, major_version: str) -> None:
    engine = properties.get("Engine")
    if engine != "postgres":
        raise DatabaseError(f"The embedded AWS has PostgreSQL, not {engine}.")
    version = str(properties.get("EngineVersion") or major_version)
    if version.split(".")[0] != major_version:
        raise DatabaseError(
            f"The template asks for PostgreSQL {version}; the local binaries are {major_version}."
        )
    if str(properties.get("ManageMasterUserPassword", "false")).lower() == "true":
        raise DatabaseError("The embedded AWS does not emulate ManageMasterUserPassword.")


def _first_statements(properties: Properties) -> str:
    """The master user, with about the rights of rds_superuser, and the database it owns."""
    master = quoted_identifier(properties["MasterUsername"])
    password = quoted_literal(str(properties["MasterUserPassword"]))
    statements = [
        f"CREATE ROLE {master} LOGIN CREATEDB CREATEROLE PASSWORD {password};",
        f"GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO {master} WITH ADMIN OPTION;",
    ]
    if properties.get("DBName"):
        database = quoted_identifier(properties["DBName"])
        statements.append(f"CREATE DATABASE {database} OWNER {master};")
    for database in ("postgres", "template1"):
        statements.append(f"ALTER DATABASE {database} OWNER TO {master};")
    return "\n".join(statements)


def running_servers() -> Iterator[tuple[str, tuple[int, Path]]]:
    """Instance → process and folder of each server that runs."""
    for instance_id, server in list(_servers.items()):
        pid = server.pid
        if pid is not None and instance_id in rds._instances:
            yield instance_id, (pid, server.directory)
