"""AWS::ElastiCache::ReplicationGroup: a real Valkey server on this machine, with TLS and token.

ministack 1.5.33 starts a container where Docker runs, and otherwise makes a record with an address
that does not resolve. Here each group is a server of its own, and PrimaryEndPoint.Address is
127.0.0.1 with a port of its own, whatever Port is. The clients check its certificate with the local
authority (`ca.pem`).

There is one server for a group, however many nodes it has: a replica would hold the same and
answer nobody. What would only seem to work is refused: clusters with several shards, another engine
than Valkey, users of ElastiCache, snapshots, parameters that the server does not know.
"""

import ssl
from pathlib import Path
from typing import Any

from ministack.services import elasticache
from ministack.services.cloudformation import provisioners

from embedded_aws.acm.authority import local_authority
from embedded_aws.cloudformation.engine import Created, Properties, handlers_of, physical_name
from embedded_aws.cloudformation.operations.turns import others_meanwhile
from embedded_aws.elasticache.tls_front import TlsFront
from embedded_aws.elasticache.valkey_server import ValkeyServer
from embedded_aws.settings import Settings

GROUP = "AWS::ElastiCache::ReplicationGroup"
# Types that ministack only records, or for which it needs Docker.
_NOT_EMULATED = (
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::ElastiCache::User",
    "AWS::ElastiCache::UserGroup",
)
_REFUSED = (
    "NodeGroupConfiguration", "NumNodeGroups", "ReplicasPerNodeGroup", "SnapshotArns",
    "SnapshotName", "UserGroupIds",
)  # fmt: skip
# A change of one of these replaces the group, and so does a first token.
_FIXED = ("AtRestEncryptionEnabled", "CacheSubnetGroupName", "Engine", "KmsKeyId", "Port",
          "TransitEncryptionEnabled")  # fmt: skip
_FAMILY_OF_MAJOR = {"7": "valkey7", "8": "valkey8"}


class CacheError(ValueError):
    """The template asks for a cache that ElastiCache refuses, or this machine cannot provide."""


def install(settings: Settings) -> None:
    for resource_type in _NOT_EMULATED:
        provisioners._RESOURCE_HANDLERS.pop(resource_type, None)
    # There is no Docker.
    elasticache._spawn_redis_container = lambda **_: ("127.0.0.1", 0, None)
    groups = ReplicationGroups(settings, dict(handlers_of(GROUP)))
    handlers_of(GROUP).update(
        create=groups.create,
        update=groups.update,
        update_with_logical_id=True,
        delete=groups.delete,
    )


class ReplicationGroups:
    """The handlers of AWS::ElastiCache::ReplicationGroup, around those of ministack."""

    def __init__(self, settings: Settings, stock: dict[str, Any]) -> None:
        self._directory = settings.state_dir / "valkey"
        self._settings = settings
        self._stock = stock

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Created:
        _refuse_what_is_not_emulated(properties)
        parameters = _parameters(properties)
        _refuse_one_zone(properties)
        group_id = properties.get("ReplicationGroupId") or physical_name(
            stack_name, logical_id, 40
        ).lower().strip("-")
        given = {**properties, "ReplicationGroupId": group_id}
        # ministack makes the record that the API describes.
        self._stock["create"](logical_id, given, stack_name)
        node = _Node(self._directory / str(group_id), properties, parameters)
        _nodes[str(group_id)] = node
        try:
            with others_meanwhile():
                node.start(self._settings)
        except Exception:
            self.delete(str(group_id), properties)
            raise
        return str(group_id), self._attributes(str(group_id), node.port)

    def update(
        self, group_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        if any(old.get(name) != new.get(name) for name in _FIXED) or (
            not old.get("AuthToken") and new.get("AuthToken")
        ):
            return self.create(logical_id, new, stack_name)
        _refuse_what_is_not_emulated(new)
        _refuse_one_zone(new)
        node = _nodes[group_id]
        if new.get("AuthToken") != old.get("AuthToken"):
            node.server.set_token(str(new["AuthToken"]))
        named = {"ReplicationGroupId": group_id}
        self._stock["update"](group_id, {**old, **named}, {**new, **named}, stack_name, logical_id)
        return group_id, self._attributes(group_id, node.port)

    def delete(self, group_id: str, properties: Properties) -> None:
        node = _nodes.pop(group_id, None)
        if node is not None:
            with others_meanwhile():
                node.destroy()
        self._stock["delete"](group_id, properties)

    def _attributes(self, group_id: str, port: int) -> dict[str, Any]:
        record = elasticache._replication_groups[group_id]
        for shard in record["NodeGroups"]:
            for name in ("PrimaryEndpoint", "ReaderEndpoint"):
                shard[name] = {"Address": "127.0.0.1", "Port": port}
        found: dict[str, Any] = provisioners._ec_rg_attrs(group_id)
        return found


class _Node:
    """A server, and TLS in front of it where the template asks for it."""

    def __init__(self, directory: Path, properties: Properties, parameters: dict[str, str]) -> None:
        token = str(properties.get("AuthToken") or "")
        self.server = ValkeyServer(directory, token, parameters)
        self._encrypted = str(properties.get("TransitEncryptionEnabled")).lower() == "true"
        self._front: TlsFront | None = None

    @property
    def port(self) -> int:
        return self._front.port if self._front else self.server.port

    def start(self, settings: Settings) -> None:
        self.server.start()
        if self._encrypted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*local_authority(settings).issue("127.0.0.1", "localhost"))
            self._front = TlsFront(context, self.server.port)
            self._front.start()

    def destroy(self) -> None:
        if self._front:
            self._front.stop()
        self.server.destroy()


# The running nodes by the id of their group.
_nodes: dict[str, _Node] = {}


def _refuse_what_is_not_emulated(properties: Properties) -> None:
    for name in _REFUSED:
        if properties.get(name):
            raise CacheError(f"The embedded AWS does not emulate {name} of a replication group.")
    engine, version = properties.get("Engine"), str(properties.get("EngineVersion") or "8.0")
    if engine != "valkey" or version.split(".")[0] not in _FAMILY_OF_MAJOR:
        raise CacheError(f"The embedded AWS has Valkey 7 and 8, not {engine} {version}.")
    if int(properties.get("SnapshotRetentionLimit") or 0):
        raise CacheError("The embedded AWS makes no snapshots of a replication group.")


def _parameters(properties: Properties) -> dict[str, str]:
    """The parameters of the group's parameter group that differ from the defaults."""
    name = properties.get("CacheParameterGroupName")
    if not name:
        return {}
    group = elasticache._param_groups.get(name)
    if group is None:
        raise CacheError(f"CacheParameterGroup {name} not found. (CacheParameterGroupNotFound)")
    major = str(properties.get("EngineVersion") or "8.0").split(".")[0]
    family = group["CacheParameterGroupFamily"]
    if family != _FAMILY_OF_MAJOR[major]:
        raise CacheError(
            f"Expected a parameter group of family {_FAMILY_OF_MAJOR[major]} but found one of "
            f"family {family}. (InvalidParameterCombination)"
        )
    return {
        parameter: str(described["Value"])
        for parameter, described in elasticache._param_group_params.get(name, {}).items()
        if described.get("Source") == "user"
    }


def _refuse_one_zone(properties: Properties) -> None:
    """Multi-AZ needs subnets in two zones."""
    if str(properties.get("MultiAZEnabled")).lower() != "true":
        return
    group = elasticache._subnet_groups.get(properties.get("CacheSubnetGroupName"))
    zones = {
        subnet["SubnetAvailabilityZone"]["Name"] for subnet in (group or {}).get("Subnets", [])
    }
    if len(zones) < 2:
        raise CacheError(
            "Multi-AZ needs a subnet group with subnets in at least two availability zones. "
            "(InvalidParameterCombination)"
        )
