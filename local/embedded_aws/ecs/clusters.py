"""A cluster is not deleted while tasks run in it, and no service is created in a missing one.

ministack 1.5.33 removes the cluster while its tasks continue to run; the refusal fails the deletion
of a stack that leaves a task behind. It also creates a cluster that a service names. Names are
derived in several templates, so that would hide an order that fails on AWS.
"""

from typing import Any

from ministack.services.cloudformation import provisioners

from embedded_aws.cloudformation.engine import Properties
from embedded_aws.ecs import engine as ecs
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    _refuse_services_of_missing_clusters()
    delete = ecs.stock._delete_cluster

    def delete_empty(data: dict[str, Any]) -> ecs.Response:
        name = ecs.stock._resolve_cluster_name(data.get("cluster", "default"))
        if any(
            ecs.cluster_name_of(task) == name and task["lastStatus"] != "STOPPED"
            for task in list(ecs.stock._tasks.values())
        ):
            return ecs.error(
                "ClusterContainsTasksException",
                "The Cluster cannot be deleted while Tasks are active.",
            )
        response: ecs.Response = delete(data)
        return response

    def delete_resource(name: str, properties: Properties) -> None:
        if ecs.stock._resolve_cluster_name(name) in ecs.stock._clusters:
            ecs.answer_of(delete_empty({"cluster": name}), "DeleteCluster")

    ecs.stock._ACTION_MAP["DeleteCluster"] = delete_empty
    provisioners._RESOURCE_HANDLERS["AWS::ECS::Cluster"]["delete"] = delete_resource


def _refuse_services_of_missing_clusters() -> None:
    create = ecs.stock._create_service

    def create_in_a_cluster(data: dict[str, Any]) -> ecs.Response:
        name = ecs.stock._resolve_cluster_name(data.get("cluster", "default"))
        if name not in ecs.stock._clusters:
            return ecs.error("ClusterNotFoundException", "Cluster not found.")
        response: ecs.Response = create(data)
        return response

    ecs.stock._create_service = create_in_a_cluster
    ecs.stock._ACTION_MAP["CreateService"] = create_in_a_cluster
