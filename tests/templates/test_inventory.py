"""Exactly which resources each choice of parameters makes, and in which order.

The default's are listed in expected/inventory.txt; a toggle's are told by what it adds and takes.
"""

from pathlib import Path

import pytest
from dry_deployment import DryStack, ParameterError, deploy, inventory
from template_files import NESTED_STACK, root

EXPECTED = Path(__file__).parent / "expected" / "inventory.txt"
OWN_NETWORK = {
    "VpcId": "vpc-1",
    "PublicSubnetIds": "subnet-1,subnet-2",
    "PrivateSubnetIds": "subnet-3,subnet-4",
}
CERTIFICATE = {
    "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
    "AirflowBaseUrl": "https://airflow.example.com",
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


def expected_inventory() -> dict[str, str]:
    return dict(line.split(" ") for line in EXPECTED.read_text().splitlines())


def network(stack: DryStack) -> tuple[str, str]:
    """Where a service's tasks stand, and whether they get a public address."""
    placement = stack.child("AirflowStack").properties("SchedulerService")["NetworkConfiguration"]
    vpc = placement["AwsvpcConfiguration"]
    return ",".join(vpc["Subnets"]), vpc["AssignPublicIp"]


def test_inventory_is_as_listed_when_nothing_is_chosen() -> None:
    assert inventory(deploy()) == expected_inventory()


@pytest.mark.parametrize(
    ("parameters", "added"),
    [
        pytest.param({"NatGatewayMode": "single"}, ONE_NAT_GATEWAY, id="one-nat-gateway"),
        pytest.param(
            {"NatGatewayMode": "per-zone"}, ONE_NAT_GATEWAY | SECOND_NAT_GATEWAY, id="two"
        ),
        pytest.param(
            CERTIFICATE,
            {"IngressStack/HttpsListener": "AWS::ElasticLoadBalancingV2::Listener"},
            id="certificate",
        ),
        pytest.param(
            {"NotificationEmail": "team@example.com"},
            {"MonitoringStack/EmailSubscription": "AWS::SNS::Subscription"},
            id="e-mail",
        ),
        pytest.param({"IngressScheme": "internal"}, {}, id="internal"),
        pytest.param({"AirflowBaseUrl": "http://localhost:8080"}, {}, id="address"),
    ],
)
def test_inventory_grows_by_the_toggles_own_when_it_is_chosen(
    parameters: dict[str, str], added: dict[str, str]
) -> None:
    assert inventory(deploy(**parameters)) == expected_inventory() | added


def test_every_queue_has_its_alarm_when_there_are_several() -> None:
    added = {
        "BrokerStack/WorkerQueueheavy": "AWS::SQS::Queue",
        "BrokerStack/WorkerQueuegpu1": "AWS::SQS::Queue",
        "WorkersStack/QueueAlarmsStack": NESTED_STACK,
        "WorkersStack/QueueAlarmsStack/QueuedAlarmheavy": "AWS::CloudWatch::Alarm",
        "WorkersStack/QueueAlarmsStack/QueuedAlarmgpu1": "AWS::CloudWatch::Alarm",
        "WorkersStack/QueueAlarmsStack/QueuedPermissionheavy": "AWS::Lambda::Permission",
        "WorkersStack/QueueAlarmsStack/QueuedPermissiongpu1": "AWS::Lambda::Permission",
    }

    stack = deploy(WorkerQueueNames="heavy,gpu-1")

    assert inventory(stack) == expected_inventory() | added
    queue = stack.child("BrokerStack").properties("WorkerQueuegpu1")
    alarms = stack.child("WorkersStack").child("QueueAlarmsStack")
    alarm = alarms.properties("QueuedAlarmgpu1")
    assert queue["QueueName"] == "airflow-queue-gpu-1"
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "airflow-queue-gpu-1"}]
    permission = alarms.properties("QueuedPermissiongpu1")
    assert permission["SourceArn"].endswith(f":alarm:{alarm['AlarmName']}")


def test_queues_are_alike_when_there_are_several() -> None:
    broker = deploy(WorkerQueueNames="heavy").child("BrokerStack")
    default, heavy = (broker.properties(name) for name in ("WorkerQueue", "WorkerQueueheavy"))
    del heavy["QueueName"]

    assert heavy == default


def test_inventory_lacks_the_cleaning_when_history_is_kept_for_ever() -> None:
    expected = expected_inventory()
    del expected["AirflowStack/CommandSchedulesStack/DatabaseCleaning"]
    del expected["AirflowStack/CommandSchedulesStack/MaintenanceFailedAlarm"]

    assert inventory(deploy(DatabaseRetentionDays="0")) == expected


def test_no_fernet_key_is_made_when_one_is_brought() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:kept-AbCdEf"
    stack = deploy(OwnFernetKeySecretArn=arn)

    missing = set(expected_inventory()) - set(inventory(stack))
    assert missing == {"SecretsStack/FernetKeySecret", "SecretsStack/FernetKeySeedSecret"}
    scheduler = stack.child("AirflowStack").child("SchedulerStack")
    (container,) = scheduler.properties("TaskDefinition")["ContainerDefinitions"]
    assert {"Name": "AIRFLOW__CORE__FERNET_KEY", "ValueFrom": arn} in container["Secrets"]
    assert arn in str(scheduler.properties("ExecutionRole"))


@pytest.mark.parametrize(
    ("parameter", "resource", "component", "variable", "rotated"),
    [
        ("OwnJwtSecretArn", "JwtSecret", "ApiServer", "AIRFLOW__API_AUTH__JWT_SECRET", "jwt-key"),
        ("OwnApiSecretKeySecretArn", "ApiSecretKeySecret", "ApiServer", "AIRFLOW__API__SECRET_KEY",
         "api-secret-key"),
        ("OwnAdminPasswordSecretArn", "AdminPasswordSecret", "Command", "ADMIN_PASSWORD",
         "admin-password"),
    ],
)  # fmt: skip
def test_secret_is_used_and_rotated_in_place_when_it_is_brought(
    parameter: str, resource: str, component: str, variable: str, rotated: str
) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mine-AbCdEf"
    stack = deploy(**{parameter: arn})

    missing = set(expected_inventory()) - set(inventory(stack))
    assert missing == {f"SecretsStack/{resource}"}
    airflow = stack.child("AirflowStack")
    task = airflow.child(f"{component}Stack")
    (container,) = task.properties("TaskDefinition")["ContainerDefinitions"]
    assert {"Name": variable, "ValueFrom": arn} in container["Secrets"]
    assert arn in str(task.properties("ExecutionRole"))
    (command,) = airflow.child("CommandStack").properties("TaskDefinition")["ContainerDefinitions"]
    (plan,) = [one["Value"] for one in command["Environment"] if one["Name"] == "ROTATION"]
    assert f'"{rotated}":"{arn}"' in str(plan)
    assert arn in str(airflow.child("RotationStack").properties("TaskRole"))


def test_inventory_lacks_the_network_when_a_vpc_is_brought() -> None:
    expected = {
        name: kind
        for name, kind in expected_inventory().items()
        if name.split("/")[0] != "NetworkStack"
    }

    assert inventory(deploy(**OWN_NETWORK)) == expected


@pytest.mark.parametrize(
    ("parameters", "subnets", "public_ip"),
    [
        ({}, "Public", "ENABLED"),
        ({"NatGatewayMode": "single"}, "Private", "DISABLED"),
        ({"NatGatewayMode": "per-zone"}, "Private", "DISABLED"),
        (OWN_NETWORK, "subnet-3,subnet-4", "DISABLED"),
    ],
)
def test_tasks_reach_the_internet_when_the_network_is_chosen(
    parameters: dict[str, str], subnets: str, public_ip: str
) -> None:
    where, address = network(deploy(**parameters))

    assert subnets in where
    assert "Public" not in where or subnets == "Public"
    assert address == public_ip


@pytest.mark.parametrize(
    ("parameters", "subnets"),
    [
        ({}, "PublicSubnet"),
        ({"IngressScheme": "internal"}, "PrivateSubnet"),
        (OWN_NETWORK, "subnet-1"),
        ({**OWN_NETWORK, "IngressScheme": "internal"}, "subnet-1"),
    ],
)
def test_load_balancer_stands_where_it_is_seen_when_the_scheme_is_chosen(
    parameters: dict[str, str], subnets: str
) -> None:
    balancer = deploy(**parameters).child("IngressStack").properties("LoadBalancer")

    assert all(subnets in subnet or subnets == "subnet-1" for subnet in balancer["Subnets"])
    assert subnets in balancer["Subnets"][0]


@pytest.mark.parametrize(
    ("parameters", "url", "action", "listener"),
    [
        ({}, "http://<airflow/IngressStack/LoadBalancer.DNSName>", "forward", "HttpListener"),
        (CERTIFICATE, "https://airflow.example.com", "redirect", "HttpsListener"),
    ],
)
def test_execution_api_is_closed_on_the_serving_listener_when_https_is_chosen(
    parameters: dict[str, str], url: str, action: str, listener: str
) -> None:
    stack = deploy(**parameters).child("IngressStack")
    rule = stack.properties("ExecutionApiRule")

    assert stack.output("AirflowUrl") == url
    assert stack.properties("HttpListener")["DefaultActions"][0]["Type"] == action
    assert rule["ListenerArn"] == f"<airflow/IngressStack/{listener}>"
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/execution", "/execution/*"]
    assert rule["Actions"][0]["FixedResponseConfig"]["StatusCode"] == "404"


def test_everything_waits_for_the_preflight_when_it_is_made() -> None:
    stacks = root().of_type(NESTED_STACK)
    text = {name: str(resource) for name, resource in stacks.items()}

    def waits(name: str) -> bool:
        resource = stacks[name]
        direct = resource.get("DependsOn") == "PreflightStack"
        # A reference to a stack that may not be made is no promise.
        sure = [n for n in stacks if f"'{n}'" in text[name] and "Condition" not in stacks[n]]
        return direct or any(waits(each) for each in sure)

    assert [name for name in stacks if name != "PreflightStack" and not waits(name)] == []


def test_deployment_is_refused_when_a_stack_refers_to_a_network_that_is_not_made() -> None:
    stack = deploy(**OWN_NETWORK)

    with pytest.raises(ParameterError, match="NetworkStack"):
        stack.resolve({"Fn::GetAtt": ["NetworkStack", "Outputs.NetworkVpcId"]})
