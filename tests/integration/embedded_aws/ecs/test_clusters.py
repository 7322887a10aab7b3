"""When the deletion of a cluster is refused, and that a service needs its cluster."""

import pytest
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws
from ..ecs_tasks import Ecs
from ..stack_driver import StackDriver


def test_cluster_is_not_deleted_while_a_task_runs_in_it(ecs: Ecs) -> None:
    arn = ecs.run(ecs.register("exec sleep 900"))
    ecs.reached(arn, "RUNNING")
    with pytest.raises(ClientError, match="ClusterContainsTasksException"):
        ecs.api.delete_cluster(cluster=ecs.name)

    ecs.api.stop_task(cluster=ecs.name, task=arn)
    ecs.reached(arn, "STOPPED")
    assert ecs.api.delete_cluster(cluster=ecs.name)["cluster"]["status"] == "INACTIVE"


def test_deletion_of_a_stack_fails_while_a_task_runs_in_its_cluster(
    ecs: Ecs, embedded_aws: EmbeddedAws
) -> None:
    stacks = StackDriver(embedded_aws)
    stack = stacks.create({"Resources": {"Cluster": {"Type": "AWS::ECS::Cluster"}}})
    ecs.name = stacks.physical_id(stack, "Cluster")
    arn = ecs.run(ecs.register("exec sleep 900"))
    ecs.reached(arn, "RUNNING")

    assert stacks.delete(stack).status == "DELETE_FAILED"
    ecs.api.stop_task(cluster=ecs.name, task=arn)
    ecs.reached(arn, "STOPPED")
    assert stacks.delete(stack).status == "DELETE_COMPLETE"


def test_service_is_refused_before_its_cluster_exists(ecs: Ecs) -> None:
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        ecs.api.create_service(
            cluster="not-yet-there", serviceName="service", taskDefinition=ecs.register("sleep 60")
        )
    assert "not-yet-there" not in str(ecs.api.list_clusters()["clusterArns"])
