"""AWS::ECS::ClusterCapacityProviderAssociations, which ministack 1.5.33 has in its API only."""

from typing import Any

from embedded_aws.cloudformation.engine import Created, Properties, own_client, register
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    _register_capacity_provider_associations(settings)


def _register_capacity_provider_associations(settings: Settings) -> None:
    def put(cluster: str, providers: list[str], strategy: list[dict[str, Any]]) -> Created:
        own_client(settings, "ecs").put_cluster_capacity_providers(
            cluster=cluster, capacityProviders=providers, defaultCapacityProviderStrategy=strategy
        )
        return cluster, {}

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        strategy = [_strategy_item(item) for item in properties["DefaultCapacityProviderStrategy"]]
        return put(properties["Cluster"], list(properties.get("CapacityProviders", [])), strategy)

    def update(
        cluster: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        return create(logical_id, new, stack_name)

    def delete(cluster: str, properties: Properties) -> None:
        put(cluster, [], [])

    register("AWS::ECS::ClusterCapacityProviderAssociations", create, delete, update)


def _strategy_item(item: Properties) -> dict[str, Any]:
    numbers = {name.lower(): int(item[name]) for name in ("Base", "Weight") if name in item}
    return {"capacityProvider": item["CapacityProvider"], **numbers}
