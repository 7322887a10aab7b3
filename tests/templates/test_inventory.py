"""Exactly which resources each choice of parameters creates, and in which order.

The inventory of each class is listed in expected/; a choice is told by what it adds and removes.
"""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from dry_deployment import PSEUDO_PARAMETERS, DryStack, ParameterError, deploy, inventory
from single_changes import ALL_WORDS
from template_files import NESTED_STACK, names, root

EXPECTED = Path(__file__).parent / "expected"
CLASSES = ("micro", "small", "medium", "large")
OWN_VPC = {"Vpc": "vpc-1", "PrivateSubnetIds": "subnet-3,subnet-4"}
PUBLIC_SUBNETS = {"PublicSubnetIds": "subnet-1,subnet-2"}
CIDR = {"IngressCidr": "203.0.113.0/24"}
DOMAIN = {"DomainName": "airflow.example.com", "HostedZoneId": "Z0123456789"}
CERTIFICATE = {
    "DomainName": "airflow.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
}
INTERNAL = "IngressStack/InternalLoadBalancerStack"
BALANCER = "AWS::ElasticLoadBalancingV2::"
# What every load balancer consists of.
BALANCER_PARTS = {
    "LoadBalancerSecurityGroup": "AWS::EC2::SecurityGroup",
    "ApiServerIngress": "AWS::EC2::SecurityGroupIngress",
    "LoadBalancer": f"{BALANCER}LoadBalancer",
    "ApiServerTargetGroup": f"{BALANCER}TargetGroup",
    "HttpListener": f"{BALANCER}Listener",
    "ExecutionApiRule": f"{BALANCER}ListenerRule",
    "ServerErrorsAlarm": "AWS::CloudWatch::Alarm",
    "LoadBalancerErrorsAlarm": "AWS::CloudWatch::Alarm",
    "UnhealthyTargetsAlarm": "AWS::CloudWatch::Alarm",
}
CLOUDFRONT = {
    "IngressStack/CloudFrontPrefixList": "Custom::CloudFrontPrefixList",
    "IngressStack/VpcOrigin": "AWS::CloudFront::VpcOrigin",
    "IngressStack/Distribution": "AWS::CloudFront::Distribution",
}
ONE_NAT_GATEWAY = {
    "NetworkStack/NatGatewayA": "AWS::EC2::NatGateway",
    "NetworkStack/NatGatewayAddressA": "AWS::EC2::EIP",
    "NetworkStack/PrivateRouteA": "AWS::EC2::Route",
    "NetworkStack/PrivateRouteB": "AWS::EC2::Route",
}
SECOND_NAT_GATEWAY = {
    "NetworkStack/NatGatewayB": "AWS::EC2::NatGateway",
    "NetworkStack/NatGatewayAddressB": "AWS::EC2::EIP",
}


def balancer(name: str) -> dict[str, str]:
    stack = f"IngressStack/{name}LoadBalancerStack"
    return {stack: NESTED_STACK} | {
        f"{stack}/{part}": kind for part, kind in BALANCER_PARTS.items()
    }


def expected_inventory(environment_class: str = "micro") -> dict[str, str]:
    lines = (EXPECTED / f"inventory-{environment_class}.txt").read_text().splitlines()
    return dict(line.split(" ") for line in lines)


def difference(parameters: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """What a choice adds to the default's resources, and what it removes."""
    before, after = expected_inventory(), inventory(deploy(**parameters))
    return (
        {name: kind for name, kind in after.items() if name not in before},
        {name: kind for name, kind in before.items() if name not in after},
    )


@pytest.mark.parametrize("environment_class", CLASSES)
def test_inventory_of_a_class_is_as_listed(environment_class: str) -> None:
    found = inventory(deploy(EnvironmentClass=environment_class))

    assert found == expected_inventory(environment_class)


def test_inventory_with_every_word_of_options_is_as_listed() -> None:
    found = inventory(deploy(EnvironmentClass="small", Options=ALL_WORDS))

    assert found == expected_inventory("all-words")


@pytest.mark.parametrize(
    ("parameters", "added"),
    [
        pytest.param({"NetworkMode": "single-nat"}, ONE_NAT_GATEWAY, id="single-nat"),
        pytest.param(
            {"NetworkMode": "nat-per-zone"}, ONE_NAT_GATEWAY | SECOND_NAT_GATEWAY, id="nat-per-zone"
        ),
        pytest.param(
            {"AdminEmail": "team@example.com"},
            {"NotificationsStack/EmailSubscription": "AWS::SNS::Subscription"},
            id="e-mail",
        ),
        pytest.param(CERTIFICATE, {}, id="cloudfront-with-certificate"),
        pytest.param(
            CERTIFICATE | {"HostedZoneId": "Z1"},
            {"IngressStack/DomainRecord": "AWS::Route53::RecordSet"},
            id="cloudfront-with-record",
        ),
        pytest.param(
            {"Executors": "celery,ecs"},
            {
                "EcsTasksStack": NESTED_STACK,
                "EcsTasksStack/Cluster": "AWS::ECS::Cluster",
                "EcsTasksStack/ExecutionRole": "AWS::IAM::Role",
                "EcsTasksStack/LogGroup": "AWS::Logs::LogGroup",
                "EcsTasksStack/SecurityGroup": "AWS::EC2::SecurityGroup",
                "EcsTasksStack/TaskRole": "AWS::IAM::Role",
                "EcsExecutorStack": NESTED_STACK,
                "EcsExecutorStack/OperatorPolicy": "AWS::IAM::RolePolicy",
                "EcsExecutorStack/SchedulerPolicy": "AWS::IAM::RolePolicy",
                "EcsExecutorStack/TriggererPolicy": "AWS::IAM::RolePolicy",
                "EcsExecutorStack/WorkerPolicy": "AWS::IAM::RolePolicy",
            },
            id="ecs-executor",
        ),
        pytest.param({"Options": "protected,x86"}, {}, id="options"),
        pytest.param({"Options": "refuse-critical,refuse-high"}, {}, id="refused-findings"),
        pytest.param(
            {"Options": "customer-key"},
            {
                "SecretsStack/EncryptionKeyStack": NESTED_STACK,
                "SecretsStack/EncryptionKeyStack/Key": "AWS::KMS::Key",
                "SecretsStack/EncryptionKeyStack/KeyAlias": "AWS::KMS::Alias",
            },
            id="customer-key",
        ),
        pytest.param(
            {"Options": "access-logs"},
            {
                "IngressStack/AccessLogsStack": NESTED_STACK,
                "IngressStack/AccessLogsStack/AccessLogBucket": "AWS::S3::Bucket",
                "IngressStack/AccessLogsStack/AccessLogBucketPolicy": "AWS::S3::BucketPolicy",
            },
            id="access-logs",
        ),
        pytest.param(
            {"Options": "flow-logs"},
            {
                "NetworkStack/FlowLogsStack": NESTED_STACK,
                "NetworkStack/FlowLogsStack/FlowLog": "AWS::EC2::FlowLog",
                "NetworkStack/FlowLogsStack/FlowLogGroup": "AWS::Logs::LogGroup",
                "NetworkStack/FlowLogsStack/FlowLogRole": "AWS::IAM::Role",
            },
            id="flow-logs",
        ),
        pytest.param(
            {"Options": "waf"},
            {
                f"{INTERNAL}/WebAclStack": NESTED_STACK,
                f"{INTERNAL}/WebAclStack/WebAcl": "AWS::WAFv2::WebACL",
                f"{INTERNAL}/WebAclStack/WebAclAssociation": "AWS::WAFv2::WebACLAssociation",
            },
            id="waf",
        ),
        pytest.param(
            {"Options": "rotate-secrets"},
            {
                "CommandsStack/RotationSchedulesStack": NESTED_STACK,
                **{
                    f"CommandsStack/RotationSchedulesStack/{name}Rotation": (
                        "AWS::Scheduler::Schedule"
                    )
                    for name in (
                        "DatabaseMasterPassword",
                        "DatabasePassword",
                        "FernetKey",
                    )
                },
            },
            id="rotate-secrets",
        ),
        pytest.param(
            {"Options": "metrics"},
            {
                "AirflowAlarmsStack": NESTED_STACK,
                **{
                    f"AirflowAlarmsStack/{name}Alarm": "AWS::CloudWatch::Alarm"
                    for name in (
                        "DagProcessorHeartbeat",
                        "ImportErrors",
                        "OldestTask",
                        "SchedulerHeartbeat",
                        "TriggererHeartbeat",
                        "WorkerCpu",
                        "WorkerMemory",
                    )
                },
                "DashboardStack": NESTED_STACK,
                "DashboardStack/Dashboard": "AWS::CloudWatch::Dashboard",
            },
            id="metrics",
        ),
        pytest.param({"Database": "db.t4g.small/30/multi-az"}, {}, id="database"),
        pytest.param({"WorkerMaxCount": "20"}, {}, id="workers"),
    ],
)
def test_choice_adds_only_its_own_resources(
    parameters: dict[str, str], added: dict[str, str]
) -> None:
    assert difference(parameters) == (added, {})


HTTPS = {
    "HttpsListener": f"{BALANCER}Listener",
    "CertificateAlarm": "AWS::CloudWatch::Alarm",
}
NEW_CERTIFICATE = HTTPS | {"Certificate": "AWS::CertificateManager::Certificate"}
RECORD = {"IngressStack/DomainRecord": "AWS::Route53::RecordSet"}


@pytest.mark.parametrize(
    ("mode", "parameters", "scheme", "more", "url"),
    [
        pytest.param(
            "load-balancer", CIDR | DOMAIN, "Public", NEW_CERTIFICATE,
            "https://airflow.example.com", id="load-balancer-with-zone",
        ),
        pytest.param(
            "load-balancer", CIDR | CERTIFICATE, "Public", HTTPS,
            "https://airflow.example.com", id="load-balancer-with-certificate",
        ),
        pytest.param(
            "internal", CIDR, "Internal", {},
            "http://<airflow/IngressStack/InternalLoadBalancerStack/LoadBalancer.DNSName>",
            id="internal",
        ),
        pytest.param(
            "internal", CIDR | DOMAIN, "Internal", NEW_CERTIFICATE,
            "https://airflow.example.com", id="internal-with-zone",
        ),
        pytest.param(
            "http-without-tls", CIDR, "Public", {},
            "http://<airflow/IngressStack/PublicLoadBalancerStack/LoadBalancer.DNSName>",
            id="http-without-tls",
        ),
    ],
)  # fmt: skip
def test_ingress_mode_replaces_cloudfront_by_its_own_load_balancer(
    mode: str, parameters: dict[str, str], scheme: str, more: dict[str, str], url: str
) -> None:
    chosen = {"IngressMode": mode} | parameters
    added, removed = difference(chosen)

    stack = f"IngressStack/{scheme}LoadBalancerStack"
    own = balancer(scheme) | {f"{stack}/{name}": kind for name, kind in more.items()}
    own |= RECORD if "HostedZoneId" in parameters else {}
    default = balancer("Internal") | CLOUDFRONT
    assert added == {name: kind for name, kind in own.items() if name not in default}
    assert removed == {name: kind for name, kind in default.items() if name not in own}
    assert deploy(**chosen).child("IngressStack").output("AirflowUrl") == url


def test_default_serves_https_and_opens_no_port_to_the_internet() -> None:
    ingress = deploy().child("IngressStack")
    load_balancer = ingress.child("InternalLoadBalancerStack")
    (rule,) = load_balancer.properties("LoadBalancerSecurityGroup")["SecurityGroupIngress"]

    assert ingress.output("AirflowUrl") == "https://<airflow/IngressStack/Distribution.DomainName>"
    assert load_balancer.properties("LoadBalancer")["Scheme"] == "internal"
    assert rule["SourcePrefixListId"] == (
        "<airflow/IngressStack/CloudFrontPrefixList.PrefixListId>"
    )
    assert "CidrIp" not in rule


def test_distribution_caches_nothing_and_speaks_only_https_to_users() -> None:
    ingress = deploy(**CERTIFICATE).child("IngressStack")
    config = ingress.properties("Distribution")["DistributionConfig"]
    (origin,) = config["Origins"]
    behavior = config["DefaultCacheBehavior"]

    assert behavior["ViewerProtocolPolicy"] == "redirect-to-https"
    # CachingDisabled and AllViewer.
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behavior["OriginRequestPolicyId"] == "216adef6-5c7f-47e4-b989-5492eafa07d3"
    assert set(behavior["AllowedMethods"]) >= {"PUT", "POST", "PATCH", "DELETE"}
    assert config["Aliases"] == ["airflow.example.com"]
    assert config["ViewerCertificate"]["AcmCertificateArn"] == CERTIFICATE["CertificateArn"]
    assert origin["VpcOriginConfig"]["VpcOriginId"] == "<airflow/IngressStack/VpcOrigin>"
    balancer = ingress.child("InternalLoadBalancerStack").properties("LoadBalancer")
    (idle,) = (
        int(each["Value"])
        for each in balancer["LoadBalancerAttributes"]
        if each["Key"] == "idle_timeout.timeout_seconds"
    )
    assert origin["VpcOriginConfig"]["OriginKeepaliveTimeout"] < idle


BALANCER_OF = "<airflow/IngressStack/{}LoadBalancerStack/LoadBalancer.{}>"


@pytest.mark.parametrize(
    ("partition", "parameters", "name", "zone"),
    [
        # The zones of CloudFront are the same for everybody.
        ("aws", CERTIFICATE, "<airflow/IngressStack/Distribution.DomainName>", "Z2FDTNDATAQYW2"),
        ("aws-cn", CERTIFICATE, "<airflow/IngressStack/Distribution.DomainName>", "Z3RFFRIM2A3IF5"),
        (
            "aws",
            {"IngressMode": "load-balancer"} | CIDR,
            BALANCER_OF.format("Public", "DNSName"),
            BALANCER_OF.format("Public", "CanonicalHostedZoneID"),
        ),
        (
            "aws",
            {"IngressMode": "internal"} | CIDR,
            BALANCER_OF.format("Internal", "DNSName"),
            BALANCER_OF.format("Internal", "CanonicalHostedZoneID"),
        ),
    ],
)
def test_record_points_to_what_serves_and_names_its_zone(
    partition: str,
    parameters: dict[str, str],
    name: str,
    zone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Partition", partition)
    record = deploy(**(DOMAIN | parameters)).child("IngressStack").properties("DomainRecord")

    assert record["AliasTarget"] == {"DNSName": name, "HostedZoneId": zone}
    assert (record["Name"], record["HostedZoneId"]) == ("airflow.example.com", "Z0123456789")


@pytest.mark.parametrize(
    ("parameters", "scheme", "listener"),
    [
        ({}, "Internal", "HttpListener"),
        ({"IngressMode": "http-without-tls"} | CIDR, "Public", "HttpListener"),
        ({"IngressMode": "load-balancer"} | CIDR | DOMAIN, "Public", "HttpsListener"),
    ],
)
def test_execution_api_is_closed_on_the_listener_that_serves(
    parameters: dict[str, str], scheme: str, listener: str
) -> None:
    stack = deploy(**parameters).child("IngressStack").child(f"{scheme}LoadBalancerStack")
    rule = stack.properties("ExecutionApiRule")
    action = stack.properties("HttpListener")["DefaultActions"][0]["Type"]

    assert rule["ListenerArn"] == f"<{stack.path}/{listener}>"
    assert action == ("forward" if listener == "HttpListener" else "redirect")
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/execution", "/execution/*"]
    assert rule["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "404"


def test_scheme_of_a_load_balancer_never_changes_within_its_stack() -> None:
    """Its target group cannot move to the load balancer that would replace it."""
    stacks = root().children()["IngressStack"].of_type(NESTED_STACK)

    schemes = {
        name: stack["Properties"]["Parameters"]["Scheme"]
        for name, stack in stacks.items()
        if stack["Properties"]["TemplateURL"] == "load-balancer.yaml"
    }
    assert schemes == {
        "InternalLoadBalancerStack": "internal",
        "PublicLoadBalancerStack": "internet-facing",
    }


VALKEY = {
    "BrokerStack": NESTED_STACK,
    "BrokerStack/Broker": "AWS::ElastiCache::ReplicationGroup",
    "BrokerStack/BrokerClientSecurityGroup": "AWS::EC2::SecurityGroup",
    "BrokerStack/BrokerParameterGroup": "AWS::ElastiCache::ParameterGroup",
    "BrokerStack/BrokerSecurityGroup": "AWS::EC2::SecurityGroup",
    "BrokerStack/BrokerSubnetGroup": "AWS::ElastiCache::SubnetGroup",
    "BrokerStack/MemoryAlarm": "AWS::CloudWatch::Alarm",
    "BrokerStack/BrokerTokenSecret": "AWS::SecretsManager::Secret",
    "BrokerStack/BrokerUrlSecret": "AWS::SecretsManager::Secret",
}


def test_valkey_takes_the_place_of_the_queues_and_their_alarms() -> None:
    added, removed = difference({"Options": "redis"})

    assert added == VALKEY
    assert set(removed) == {
        "QueuesStack",
        "QueuesStack/DeadLettersAlarm",
        "QueuesStack/TasksWaitAlarm",
        "QueuesStack/WorkerQueue",
        "QueuesStack/WorkerDeadLetterQueue",
        "QueuesStack/WorkerQueuePolicy",
        "FleetStack/QueuedAlarm",
        "FleetStack/QueuedPermission",
    }


def test_flower_is_added_to_valkey() -> None:
    with_flower = inventory(deploy(Options="redis,flower"))
    without = inventory(deploy(Options="redis"))

    assert set(without) - set(with_flower) == set()
    assert {name: kind for name, kind in with_flower.items() if name not in without} == {
        "ClusterStack/FlowerSecurityGroup": "AWS::EC2::SecurityGroup",
        f"{INTERNAL}/FlowerIngress": "AWS::EC2::SecurityGroupIngress",
        f"{INTERNAL}/FlowerRule": "AWS::ElasticLoadBalancingV2::ListenerRule",
        f"{INTERNAL}/FlowerTargetGroup": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "FlowerStack": NESTED_STACK,
        "FlowerStack/ExecutionRole": "AWS::IAM::Role",
        "FlowerStack/FlowerPasswordSecret": "AWS::SecretsManager::Secret",
        "FlowerStack/FlowerService": "AWS::ECS::Service",
        "FlowerStack/LogGroup": "AWS::Logs::LogGroup",
        "FlowerStack/TaskDefinition": "AWS::ECS::TaskDefinition",
        "FlowerStack/TaskRole": "AWS::IAM::Role",
    }


def test_further_queues_of_valkey_need_no_resources() -> None:
    assert inventory(deploy(Options="redis", WorkerQueueNames="heavy,light")) == inventory(
        deploy(Options="redis")
    )


def test_every_queue_has_its_alarm() -> None:
    stack = deploy(WorkerQueueNames="heavy,,gpu-1")
    added, removed = difference({"WorkerQueueNames": "heavy,,gpu-1"})

    assert removed == {}
    assert added == {
        "QueuesStack/WorkerQueue1": "AWS::SQS::Queue",
        "QueuesStack/WorkerQueue3": "AWS::SQS::Queue",
        "QueuesStack/TasksWaitAlarm1": "AWS::CloudWatch::Alarm",
        "QueuesStack/TasksWaitAlarm3": "AWS::CloudWatch::Alarm",
        "FleetStack/QueuedAlarm1": "AWS::CloudWatch::Alarm",
        "FleetStack/QueuedAlarm3": "AWS::CloudWatch::Alarm",
    }
    queue = stack.child("QueuesStack").properties("WorkerQueue3")
    alarm = stack.child("FleetStack").properties("QueuedAlarm3")
    permission = stack.child("FleetStack").properties("QueuedPermission")
    assert queue["QueueName"] == "airflow-queue-gpu-1"
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "airflow-queue-gpu-1"}]
    assert alarm["AlarmName"] == "airflow-queued-gpu-1"
    assert permission["SourceArn"].endswith(":alarm:airflow-queued-*")


def test_queues_and_their_alarms_are_alike() -> None:
    stack = deploy(WorkerQueueNames="a,b,c,d,e,f,g,h")
    queues, alarms = (
        [stack.child(child).properties(f"{resource}{number or ''}") for number in range(9)]
        for child, resource in (("QueuesStack", "WorkerQueue"), ("FleetStack", "QueuedAlarm"))
    )

    for name, queue, alarm in zip(["default", *"abcdefgh"], queues, alarms, strict=True):
        # Roles name all queues, and one permission all alarms, by these beginnings.
        assert queue.pop("QueueName") == f"airflow-queue-{name}"
        assert alarm.pop("AlarmName") == f"airflow-queued-{name}"
        assert alarm.pop("Dimensions") == [{"Name": "QueueName", "Value": f"airflow-queue-{name}"}]
    assert all(each == queues[0] for each in queues)
    assert all(each == alarms[0] for each in alarms)
    # A single task is enough.
    assert (alarms[0]["ComparisonOperator"], alarms[0]["Threshold"]) == ("GreaterThanThreshold", 0)


def test_scheduler_and_workers_may_use_every_queue_by_its_name() -> None:
    stack = deploy(EnvironmentClass="small", WorkerQueueNames="heavy")
    queues = stack.child("QueuesStack")
    names = [queues.properties(name)["QueueName"] for name in ("WorkerQueue", "WorkerQueue1")]

    for child in ("SchedulerStack", "WorkerStack", "FleetStack"):
        role = "ScaleWorkersRole" if child == "FleetStack" else "TaskRole"
        patterns = {
            statement["Resource"].rpartition(":")[2]
            for policy in stack.child(child).properties(role)["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            if "sqs:GetQueueAttributes" in statement["Action"]
        }
        (pattern,) = patterns
        assert all(fnmatch(name, pattern) for name in names)


def test_no_fernet_key_is_generated_when_one_is_restored() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:kept-AbCdEf"
    stack = deploy(FernetKeySecretArn=arn)

    missing = set(expected_inventory()) - set(inventory(stack))
    assert missing == {"SecretsStack/FernetKeySecret", "SecretsStack/FernetKeySeedSecret"}
    control_plane = stack.child("ControlPlaneStack")
    for container in control_plane.properties("TaskDefinition")["ContainerDefinitions"]:
        assert {"Name": "AIRFLOW__CORE__FERNET_KEY", "ValueFrom": arn} in container["Secrets"]
    assert arn in str(control_plane.properties("ExecutionRole"))


def test_image_of_ones_own_leaves_out_the_builder_and_its_repository() -> None:
    expected = {
        name: kind
        for name, kind in expected_inventory().items()
        if name.split("/")[0] != "ImageStack"
    }

    assert inventory(deploy(AirflowImageUri="example/airflow:1")) == expected


def test_own_vpc_leaves_out_the_network() -> None:
    expected = {
        name: kind
        for name, kind in expected_inventory().items()
        if name.split("/")[0] != "NetworkStack"
    }

    assert inventory(deploy(**OWN_VPC)) == expected


def network(stack: DryStack) -> tuple[str, str]:
    """Where a service's tasks run, and whether they get a public address."""
    placement = stack.child("ServicesStack").properties("ApiServerService")["NetworkConfiguration"]
    vpc = placement["AwsvpcConfiguration"]
    return ",".join(vpc["Subnets"]), vpc["AssignPublicIp"]


@pytest.mark.parametrize(
    ("parameters", "subnets", "public_ip"),
    [
        ({}, "Public", "ENABLED"),
        ({"NetworkMode": "single-nat"}, "Private", "DISABLED"),
        ({"NetworkMode": "nat-per-zone"}, "Private", "DISABLED"),
        (OWN_VPC, "subnet-3,subnet-4", "DISABLED"),
    ],
)
def test_tasks_reach_the_internet_in_every_network_mode(
    parameters: dict[str, str], subnets: str, public_ip: str
) -> None:
    where, address = network(deploy(**parameters))

    assert subnets in where
    assert "Public" not in where or subnets == "Public"
    assert address == public_ip


HTTP = {"IngressMode": "http-without-tls"} | CIDR


@pytest.mark.parametrize(
    ("parameters", "scheme", "subnet"),
    [
        ({}, "Internal", "PrivateSubnetA"),
        (HTTP, "Public", "PublicSubnetA"),
        (OWN_VPC, "Internal", "subnet-3"),
        ({**OWN_VPC, **PUBLIC_SUBNETS, **HTTP}, "Public", "subnet-1"),
    ],
)
def test_load_balancer_uses_the_subnets_of_its_scheme(
    parameters: dict[str, str], scheme: str, subnet: str
) -> None:
    stack = deploy(**parameters).child("IngressStack").child(f"{scheme}LoadBalancerStack")

    assert subnet in stack.properties("LoadBalancer")["Subnets"][0]


@pytest.mark.parametrize(
    ("region", "zones"),
    [
        ("eu-central-1", None),
        ("us-west-1", ["usw1-az1", "usw1-az3"]),
        ("ap-northeast-1", ["apne1-az1", "apne1-az4"]),
        ("cn-north-1", ["cnn1-az1", "cnn1-az2"]),
    ],
)
def test_subnets_are_in_zones_that_have_fargate(
    region: str, zones: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Region", region)
    network = deploy().child("NetworkStack")
    for kind in ("PublicSubnet", "PrivateSubnet"):
        subnets = [network.properties(f"{kind}{zone}") for zone in "AB"]
        assert [each.get("AvailabilityZoneId") for each in subnets] == (zones or [None, None])
        assert all(("AvailabilityZone" in each) == (zones is None) for each in subnets)


def test_everything_waits_for_the_preflight() -> None:
    stacks = root().of_type(NESTED_STACK)

    def waits(name: str) -> bool:
        resource = stacks[name]
        direct = resource.get("DependsOn") == "PreflightStack"
        # A reference to a stack that may not be created is no promise.
        sure = [n for n in stacks if names(stacks[name], n) and "Condition" not in stacks[n]]
        return direct or any(waits(each) for each in sure)

    assert [name for name in stacks if name != "PreflightStack" and not waits(name)] == []


def test_reference_to_a_network_that_is_not_created_is_refused() -> None:
    stack = deploy(**OWN_VPC)

    with pytest.raises(ParameterError, match="NetworkStack"):
        stack.resolve({"Fn::GetAtt": ["NetworkStack", "Outputs.NetworkVpcId"]})
