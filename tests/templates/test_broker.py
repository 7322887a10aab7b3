"""Valkey as the broker: what is created, who reaches it, and what AWS would refuse."""

from typing import Any

import pytest
from api_limits import as_on_aws
from dry_deployment import DryStack, deploy

from embedded_aws.limits.resources import findings
from embedded_aws.limits.tables import limits_of

CLASSES = ("micro", "small", "medium", "large")
KIND = "AWS::ElastiCache::ReplicationGroup"
URL = "<airflow/BrokerStack/BrokerUrlSecret>"


def broker(environment_class: str = "small") -> DryStack:
    return deploy(EnvironmentClass=environment_class, Options="redis").child("BrokerStack")


def container(stack: DryStack, name: str) -> dict[str, Any]:
    containers = stack.properties("TaskDefinition")["ContainerDefinitions"]
    return next(each for each in containers if each["Name"] == name)


@pytest.mark.parametrize("environment_class", CLASSES)
def test_connections_are_encrypted_and_need_the_token(environment_class: str) -> None:
    group = broker(environment_class).properties("Broker")

    assert group["Engine"] == "valkey"
    assert group["TransitEncryptionEnabled"] is True
    assert group["TransitEncryptionMode"] == "required"
    assert group["AtRestEncryptionEnabled"] is True
    assert "BrokerTokenSecret" in group["AuthToken"]


@pytest.mark.parametrize(
    ("environment_class", "count"), [("micro", 1), ("small", 1), ("medium", 2), ("large", 2)]
)
def test_second_node_takes_over_from_medium_on(environment_class: str, count: int) -> None:
    group = broker(environment_class).properties("Broker")

    assert int(group["NumCacheClusters"]) == count
    assert group["AutomaticFailoverEnabled"] is group["MultiAZEnabled"] is (count > 1)


def test_generated_token_has_only_characters_that_elasticache_accepts() -> None:
    generated = broker().properties("BrokerTokenSecret")["GenerateSecretString"]

    assert 16 <= generated["PasswordLength"] <= 128
    assert generated["ExcludePunctuation"] is True
    assert generated.get("IncludeSpace", False) is False


def test_full_node_refuses_messages_and_removes_none() -> None:
    group = broker().properties("BrokerParameterGroup")

    assert group["Properties"] == {"maxmemory-policy": "noeviction"}
    assert group["CacheParameterGroupFamily"] == "valkey8"


@pytest.mark.parametrize("environment_class", ["micro", "small"])
def test_only_scheduler_and_workers_reach_the_broker(environment_class: str) -> None:
    stack = deploy(EnvironmentClass=environment_class, Options="redis")
    rules = stack.child("BrokerStack").properties("BrokerSecurityGroup")["SecurityGroupIngress"]
    admitted = {each["SourceSecurityGroupId"] for each in rules}
    client = "<airflow/BrokerStack/BrokerClientSecurityGroup.GroupId>"
    workers = stack.child("FleetStack").properties("ScaleWorkersFunction")["Environment"]

    assert {(each["FromPort"], each["ToPort"]) for each in rules} == {(6379, 6379)}
    assert admitted == {client, workers["Variables"]["SECURITY_GROUP_IDS"]}
    services = stack.child("ServicesStack")
    having = {
        name
        for name, resource in services.resources.items()
        if resource["Type"] == "AWS::ECS::Service" and client in str(services.properties(name))
    }
    assert having == {"ControlPlaneService" if environment_class == "micro" else "SchedulerService"}


@pytest.mark.parametrize("environment_class", ["micro", "small"])
def test_only_scheduler_and_workers_get_the_url(environment_class: str) -> None:
    stack = deploy(EnvironmentClass=environment_class, Options="redis")
    secret = {"Name": "AIRFLOW__CELERY__BROKER_URL", "ValueFrom": URL}
    having = {
        each["Name"]
        for child in stack.everything()
        for name, resource in child.resources.items()
        if resource["Type"] == "AWS::ECS::TaskDefinition"
        for each in child.properties(name)["ContainerDefinitions"]
        if secret in each["Secrets"]
    }
    may_read = {
        child.path
        for child in stack.everything()
        for name, resource in child.resources.items()
        if resource["Type"] == "AWS::IAM::Role" and URL in str(child.properties(name))
    }

    assert having == {"scheduler", "worker"}
    control_plane = "ControlPlaneStack" if environment_class == "micro" else "SchedulerStack"
    assert may_read == {f"airflow/{control_plane}", "airflow/WorkerStack"}


@pytest.mark.parametrize("environment_class", ["micro", "small"])
def test_scheduler_counts_the_messages_for_the_scaler(environment_class: str) -> None:
    stack = deploy(EnvironmentClass=environment_class, Options="redis")
    name = "ControlPlaneStack" if environment_class == "micro" else "SchedulerStack"
    scheduler = stack.child(name)
    variables = {
        each["Name"]: each["Value"] for each in container(scheduler, "scheduler")["Environment"]
    }
    scaler = stack.child("FleetStack").properties("ScaleWorkersFunction")["Environment"]
    bucket = scaler["Variables"]["STATE_BUCKET_NAME"]

    assert variables["WORKER_QUEUE_COUNTS_OBJECT"] == f"s3://{bucket}/fleet/queue-counts.json"
    assert f"arn:<partition>:s3:::{bucket}/fleet/queue-counts.json" in str(
        scheduler.properties("TaskRole")
    )
    assert scaler["Variables"]["BROKER"] == "valkey"
    assert "QUEUE_URL" not in scaler["Variables"]
    assert "WORKER_QUEUE_URL" not in variables


def test_nothing_of_valkey_is_there_without_the_word() -> None:
    stack = deploy(EnvironmentClass="small")
    text = str([each.properties(name) for each in stack.everything() for name in each.resources])

    for word in ("queue-counts", "BROKER_URL", "ElastiCache", "valkey"):
        assert word not in text


GROUP = {
    "ReplicationGroupDescription": "Broker",
    "Engine": "valkey",
    "CacheNodeType": "cache.t4g.micro",
    "TransitEncryptionEnabled": True,
    "AuthToken": "a" * 64,
}


def refused(kind: str, properties: dict[str, Any]) -> str:
    limits = limits_of(kind)
    assert limits is not None
    return "; ".join(str(each) for each in findings(limits, as_on_aws(properties)))


def test_replication_group_is_accepted() -> None:
    assert refused(KIND, GROUP) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AuthToken": "short"}, "AuthToken has 5 characters, allowed are 16 to 128"),
        ({"AuthToken": "a" * 129}, "AuthToken has 129 characters"),
        ({"AuthToken": "with/a-slash-in-it"}, "AuthToken is a secret, which does not match"),
        ({"AuthToken": "with@an-at-sign-in-it"}, "AuthToken is a secret, which does not match"),
        ({"AuthToken": 'with"a-quote-in-it'}, "AuthToken is a secret, which does not match"),
        ({"TransitEncryptionEnabled": False}, "AuthToken needs TransitEncryptionEnabled"),
        ({"TransitEncryptionMode": "preferred"}, "AuthToken needs TransitEncryptionMode required"),
        ({"MultiAZEnabled": True}, "MultiAZEnabled needs AutomaticFailoverEnabled"),
        (
            {"MultiAZEnabled": True, "AutomaticFailoverEnabled": True, "NumCacheClusters": 1},
            "AutomaticFailoverEnabled needs NumCacheClusters of at least 2",
        ),
        ({"NumCacheClusters": 7}, "NumCacheClusters is 7, allowed are 1 to 6"),
        ({"ReplicationGroupId": "a" * 41}, "ReplicationGroupId has 41 characters"),
        ({"ReplicationGroupId": "two--hyphens"}, "ReplicationGroupId is 'two--hyphens'"),
        ({"ReplicationGroupId": "1st"}, "ReplicationGroupId is '1st'"),
        ({"ReplicationGroupId": "ends-"}, "ReplicationGroupId is 'ends-'"),
        ({"Engine": "memcached"}, "Engine is 'memcached'"),
        ({"SnapshotRetentionLimit": 36}, "SnapshotRetentionLimit is 36"),
    ],
)
def test_what_elasticache_refuses_is_in_the_table(changes: dict[str, Any], expected: str) -> None:
    assert expected in refused(KIND, {**GROUP, **changes})


@pytest.mark.parametrize(
    ("kind", "properties", "expected"),
    [
        (
            "SubnetGroup",
            {"CacheSubnetGroupName": "Upper", "Description": "x", "SubnetIds": ["subnet-1"]},
            "CacheSubnetGroupName is 'Upper'",
        ),
        (
            "ParameterGroup",
            {"CacheParameterGroupFamily": "valkey99", "Description": "x"},
            "CacheParameterGroupFamily is 'valkey99'",
        ),
        (
            "ParameterGroup",
            {
                "CacheParameterGroupFamily": "valkey8",
                "Description": "x",
                "Properties": {"maxmemory-policy": "keep-everything"},
            },
            "maxmemory-policy is 'keep-everything'",
        ),
    ],
)
def test_refused_group_is_in_the_table(
    kind: str, properties: dict[str, Any], expected: str
) -> None:
    assert expected in refused(f"AWS::ElastiCache::{kind}", properties)


# ---- Flower ----

FLOWER = {"EnvironmentClass": "small", "Options": "redis,flower"}


@pytest.mark.parametrize(
    ("parameters", "scheme"),
    [
        ({}, "Internal"),
        ({"IngressMode": "internal", "IngressCidr": "10.0.0.0/8"}, "Internal"),
        (
            {
                "IngressMode": "load-balancer",
                "IngressCidr": "203.0.113.0/24",
                "DomainName": "airflow.example.com",
                "HostedZoneId": "Z1",
            },
            "Public",
        ),
    ],
)
def test_flower_is_served_beside_airflow_on_the_listener_that_serves(
    parameters: dict[str, str], scheme: str
) -> None:
    stack = deploy(**FLOWER, **parameters)
    balancer = stack.child("IngressStack").child(f"{scheme}LoadBalancerStack")
    rule = balancer.properties("FlowerRule")
    listener = "HttpsListener" if scheme == "Public" else "HttpListener"
    (service,) = (stack.child("FlowerStack").properties("FlowerService"),)
    (registered,) = service["LoadBalancers"]

    assert rule["ListenerArn"] == f"<{balancer.path}/{listener}>"
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/flower", "/flower/*"]
    # The execution API stays closed before it.
    assert rule["Priority"] > balancer.properties("ExecutionApiRule")["Priority"]
    target = f"<{balancer.path}/FlowerTargetGroup>"
    assert rule["Actions"] == [{"Type": "forward", "TargetGroupArn": target}]
    assert registered == {
        "ContainerName": "flower",
        "ContainerPort": 8080,
        "TargetGroupArn": target,
    }
    assert stack.output("FlowerUrl") == f"{stack.output('AirflowUrl')}/flower"


def test_only_the_load_balancer_reaches_flower() -> None:
    stack = deploy(**FLOWER)
    group = "<airflow/ClusterStack/FlowerSecurityGroup.GroupId>"
    balancer = stack.child("IngressStack").child("InternalLoadBalancerStack")
    rules = [
        (child.path, name)
        for child in stack.everything()
        for name, resource in child.resources.items()
        if resource["Type"] == "AWS::EC2::SecurityGroupIngress"
        and child.properties(name)["GroupId"] == group
    ]

    assert rules == [(balancer.path, "FlowerIngress")]
    assert "SecurityGroupIngress" not in stack.child("ClusterStack").properties(
        "FlowerSecurityGroup"
    )
    source = balancer.properties("FlowerIngress")["SourceSecurityGroupId"]
    assert source == f"<{balancer.path}/LoadBalancerSecurityGroup.GroupId>"


def test_flower_gets_the_broker_and_its_password_alone() -> None:
    stack = deploy(**FLOWER).child("FlowerStack")
    flower = container(stack, "flower")
    role = stack.properties("ExecutionRole")["Policies"][0]["PolicyDocument"]["Statement"]
    (injected,) = (each for each in role if each["Sid"] == "InjectSecrets")

    assert {each["Name"] for each in flower["Secrets"]} == {
        "AIRFLOW__CELERY__BROKER_URL",
        "FLOWER_PASSWORD",
    }
    assert sorted(injected["Resource"]) == sorted(each["ValueFrom"] for each in flower["Secrets"])
    # The code of Flower may do nothing on AWS.
    assert [each for each in stack.properties("TaskRole")["Policies"] if each] == []


def test_flower_reaches_valkey_and_not_the_database() -> None:
    stack = deploy(**FLOWER)
    network = stack.child("FlowerStack").properties("FlowerService")["NetworkConfiguration"]
    groups = network["AwsvpcConfiguration"]["SecurityGroups"]

    assert groups == [
        "<airflow/ClusterStack/FlowerSecurityGroup.GroupId>",
        "<airflow/BrokerStack/BrokerClientSecurityGroup.GroupId>",
    ]
