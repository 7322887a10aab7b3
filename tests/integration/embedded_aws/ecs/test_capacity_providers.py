"""Contract: the capacity providers of a cluster, associated by a template."""

from ..stack_driver import StackDriver, deploy


def test_association_sets_the_default_strategy_of_a_cluster(stacks: StackDriver) -> None:
    strategy = [
        {"CapacityProvider": "FARGATE", "Base": 1, "Weight": 1},
        {"CapacityProvider": "FARGATE_SPOT", "Weight": "4"},
    ]
    stack = deploy(
        stacks,
        {
            "Cluster": {"Type": "AWS::ECS::Cluster"},
            "Providers": {
                "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
                "Properties": {
                    "Cluster": {"Ref": "Cluster"},
                    "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
                    "DefaultCapacityProviderStrategy": strategy,
                },
            },
        },
    )

    cluster = stacks.aws.client("ecs").describe_clusters(
        clusters=[stacks.physical_id(stack, "Cluster")]
    )["clusters"][0]
    assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    weights = [
        (one["capacityProvider"], one["weight"])
        for one in cluster["defaultCapacityProviderStrategy"]
    ]
    assert weights == [("FARGATE", 1), ("FARGATE_SPOT", 4)]
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
