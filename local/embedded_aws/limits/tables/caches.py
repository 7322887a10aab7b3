"""ElastiCache."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from embedded_aws.limits.resources import Resource, UnknownValue
from embedded_aws.limits.rules import Choice, Number, Text, Unlimited, text_of
from embedded_aws.limits.tables.network import ARN, EC2_ID

# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth.html
TOKEN: Final = Text(
    "ElastiCache: AUTH", r"[A-Za-z0-9!&#$^<>-]+", least=16, most=128, is_secret=True
)
# A name that ends in a hyphen, or has two in a row, is refused.
REPLICATION_GROUP_ID: Final = Text(
    "ElastiCache: CreateReplicationGroup", r"[a-zA-Z](-?[a-zA-Z0-9])*", most=40
)
_GROUP_NAME: Final = Text("ElastiCache: a group's name", r"[a-z](-?[a-z0-9])*", most=255)
_DESCRIPTION: Final = Text("ElastiCache: printable ASCII", r"[ -~]+", most=255)
_BOOLEAN: Final = Choice("ElastiCache", ("true", "false"))
_FAMILIES: Final = ("memcached1.6", "redis6.x", "redis7", "valkey7", "valkey8")
_MAXMEMORY_POLICIES: Final = (
    "volatile-lru", "allkeys-lru", "volatile-lfu", "allkeys-lfu", "volatile-random",
    "allkeys-random", "volatile-ttl", "noeviction",
)  # fmt: skip


def _is_on(properties: Mapping[str, Any], name: str) -> bool:
    return text_of(properties.get(name, False)) == "true"


def _replication_group(properties: Mapping[str, Any]) -> Iterator[str]:
    """Pairs of properties that CreateReplicationGroup refuses (InvalidParameterCombination)."""
    encrypted = _is_on(properties, "TransitEncryptionEnabled")
    mode = properties.get("TransitEncryptionMode")
    if "AuthToken" in properties and not encrypted:
        yield "AuthToken needs TransitEncryptionEnabled (ElastiCache: CreateReplicationGroup)"
    if "AuthToken" in properties and mode == "preferred":
        yield "AuthToken needs TransitEncryptionMode required (ElastiCache)"
    if mode and not encrypted:
        yield "TransitEncryptionMode needs TransitEncryptionEnabled (ElastiCache)"
    count = properties.get("NumCacheClusters")
    if isinstance(count, UnknownValue):
        return
    failover = _is_on(properties, "AutomaticFailoverEnabled")
    if failover and int(text_of(count or 1)) < 2:
        yield "AutomaticFailoverEnabled needs NumCacheClusters of at least 2 (ElastiCache)"
    if _is_on(properties, "MultiAZEnabled") and not failover:
        yield "MultiAZEnabled needs AutomaticFailoverEnabled (ElastiCache)"


def _parameter_group(properties: Mapping[str, Any]) -> Iterator[str]:
    policy = (properties.get("Properties") or {}).get("maxmemory-policy")
    if policy is not None and policy not in _MAXMEMORY_POLICIES:
        yield f"Properties.maxmemory-policy is {policy!r}, which Valkey does not know (ElastiCache)"


LIMITS: Final = {
    "AWS::ElastiCache::ReplicationGroup": Resource(
        rules={
            "ReplicationGroupId": REPLICATION_GROUP_ID,
            "ReplicationGroupDescription": _DESCRIPTION,
            "Engine": Choice("ElastiCache", ("valkey", "redis")),
            "EngineVersion": Text("ElastiCache: versions", r"\d+\.\d+(\.\d+)?|\d+\.x"),
            "AutoMinorVersionUpgrade": _BOOLEAN,
            "CacheNodeType": Text("ElastiCache: node types", r"cache\.[a-z0-9]+\.[a-z0-9]+"),
            "NumCacheClusters": Number("ElastiCache: a primary and five replicas", 1, 6),
            "AutomaticFailoverEnabled": _BOOLEAN,
            "MultiAZEnabled": _BOOLEAN,
            "CacheParameterGroupName": Text("ElastiCache", r"[A-Za-z0-9.-]+", most=255),
            "CacheSubnetGroupName": _GROUP_NAME,
            "SecurityGroupIds[]": EC2_ID,
            "Port": Number("ElastiCache: CreateReplicationGroup", 1, 65535),
            "TransitEncryptionEnabled": _BOOLEAN,
            "TransitEncryptionMode": Choice("ElastiCache", ("preferred", "required")),
            "AtRestEncryptionEnabled": _BOOLEAN,
            "KmsKeyId": Unlimited("KMS resolves it"),
            "AuthToken": TOKEN,
            "SnapshotRetentionLimit": Number("ElastiCache: days", 0, 35),
            "PreferredMaintenanceWindow": Text(
                "ElastiCache", r"[a-z]{3}:\d\d:\d\d-[a-z]{3}:\d\d:\d\d"
            ),
            "NotificationTopicArn": ARN,
        },
        checks=(_replication_group,),
    ),
    "AWS::ElastiCache::SubnetGroup": Resource(
        rules={
            "CacheSubnetGroupName": _GROUP_NAME,
            "Description": _DESCRIPTION,
            "SubnetIds[]": EC2_ID,
        }
    ),
    "AWS::ElastiCache::ParameterGroup": Resource(
        rules={
            "CacheParameterGroupFamily": Choice("ElastiCache: families", _FAMILIES),
            "Description": _DESCRIPTION,
            "Properties": Unlimited("looked at by the check of the parameters"),
            "Properties.maxmemory-policy": Unlimited("looked at by the check of the parameters"),
        },
        checks=(_parameter_group,),
    ),
}
