"""What the templates keep out: each test is a way in that an earlier version left open."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dry_deployment import DryStack, deploy
from policies import TRUST, policies_of

CLASSES = ("micro", "small")
ANY_ADDRESS = ("0.0.0.0/0", "::/0")
# Component → the ports on which it listens, and who may connect.
LISTENERS = {
    "api-server": {(8080, "worker"), (8080, "load balancer")},
    "worker": {(8793, "api-server")},
    "triggerer": {(8794, "api-server")},
    "database": {
        (5432, each)
        for each in ("api-server", "scheduler", "dag-processor", "triggerer", "command", "worker")
    },
    "scheduler": set(),
    "dag-processor": set(),
    "command": set(),
}


def resources(root: DryStack, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every resource of a kind in a deployment: its reference and its properties."""
    for stack in root.everything():
        for name, resource in stack.resources.items():
            if resource["Type"] == kind:
                yield f"<{stack.path}/{name}", stack.properties(name)


def task_definitions(root: DryStack) -> list[dict[str, Any]]:
    return [properties for _, properties in resources(root, "AWS::ECS::TaskDefinition")]


def containers(root: DryStack) -> list[dict[str, Any]]:
    return [each for task in task_definitions(root) for each in task["ContainerDefinitions"]]


# ---- M7: who may connect to what ----


def groups(root: DryStack) -> dict[str, set[str]]:
    """The security groups of each component."""
    services = root.child("ServicesStack")
    found = {
        name: set(
            services.properties(f"{title}Service")["NetworkConfiguration"]["AwsvpcConfiguration"][
                "SecurityGroups"
            ]
        )
        for name, title in {
            "api-server": "ApiServer",
            "scheduler": "Scheduler",
            "dag-processor": "DagProcessor",
            "triggerer": "Triggerer",
        }.items()
    }
    for component, stack, function in (
        ("worker", "FleetStack", "ScaleWorkersFunction"),
        ("command", "CommandsStack", "RunAirflowCommandFunction"),
    ):
        variables = root.child(stack).properties(function)["Environment"]["Variables"]
        found[component] = {variables["SECURITY_GROUP_IDS"]}
    database = root.child("DatabaseStack")
    found["database"] = set(database.properties("Database")["VPCSecurityGroups"])
    balancer = root.child("IngressStack").child("InternalLoadBalancerStack")
    found["load balancer"] = set(balancer.properties("LoadBalancer")["SecurityGroups"])
    return found


def openings(root: DryStack) -> set[tuple[str, int, str]]:
    """Target group, port and source group of every rule between groups."""
    rules = [each for _, each in resources(root, "AWS::EC2::SecurityGroupIngress")]
    for reference, group in resources(root, "AWS::EC2::SecurityGroup"):
        rules += [
            {**each, "GroupId": f"{reference}.GroupId>"}
            for each in group.get("SecurityGroupIngress", ())
        ]
    assert all(each["FromPort"] == each["ToPort"] for each in rules)
    return {
        (each["GroupId"], each["FromPort"], each["SourceSecurityGroupId"])
        for each in rules
        if "SourceSecurityGroupId" in each
    }


def test_component_is_reached_only_by_those_that_need_it() -> None:
    root = deploy(EnvironmentClass="small")
    members, rules = groups(root), openings(root)
    for target, expected in LISTENERS.items():
        found = {
            (port, source)
            for group, port, source_group in rules
            for source in members
            if group in members[target] and source_group in members[source]
        }
        assert found == expected, target


def test_no_task_and_no_database_is_reached_from_an_address() -> None:
    for reference, group in resources(deploy(EnvironmentClass="small"), "AWS::EC2::SecurityGroup"):
        if "LoadBalancer" in reference:
            continue
        assert not [rule for rule in group.get("SecurityGroupIngress", ()) if "CidrIp" in rule]


def test_database_connects_to_nothing() -> None:
    group = deploy().child("DatabaseStack").properties("DatabaseSecurityGroup")
    (rule,) = group["SecurityGroupEgress"]
    assert (rule["CidrIp"], rule["IpProtocol"]) == ("255.255.255.255/32", "icmp")


def test_load_balancer_connects_only_to_the_port_of_the_api_server() -> None:
    balancer = deploy().child("IngressStack").child("InternalLoadBalancerStack")
    (rule,) = balancer.properties("LoadBalancerSecurityGroup")["SecurityGroupEgress"]
    assert (rule["FromPort"], rule["ToPort"]) == (8080, 8080)


# ---- M6: shells in containers ----


@pytest.mark.parametrize("environment_class", CLASSES)
def test_nobody_opens_a_shell_in_a_container(environment_class: str) -> None:
    root = deploy(EnvironmentClass=environment_class)
    assert not [
        name
        for name, service in resources(root, "AWS::ECS::Service")
        if service["EnableExecuteCommand"]
    ]
    assert "ssmmessages" not in str(list(resources(root, "AWS::IAM::Role")))
    fleet = root.child("FleetStack").properties("ScaleWorkersFunction")
    assert fleet["Environment"]["Variables"]["ECS_EXEC"] == "false"


@pytest.mark.parametrize("environment_class", CLASSES)
@pytest.mark.parametrize("options", ["exec", "x86,exec", "exec,protected"])
def test_shell_is_encrypted_and_logged_where_it_is_allowed(
    environment_class: str, options: str
) -> None:
    root = deploy(EnvironmentClass=environment_class, Options=options)
    cluster = root.child("ClusterStack")
    session = cluster.properties("Cluster")["Configuration"]["ExecuteCommandConfiguration"]
    key = "<airflow/ClusterStack/ExecKey.Arn>"
    assert session["KmsKeyId"] == key
    assert session["Logging"] == "OVERRIDE"
    assert session["LogConfiguration"]["CloudWatchEncryptionEnabled"] is True
    assert cluster.properties("ExecLogGroup")["KmsKeyId"] == key
    assert all(each["EnableExecuteCommand"] for _, each in resources(root, "AWS::ECS::Service"))
    for name, role in resources(root, "AWS::IAM::Role"):
        if name.endswith("/TaskRole") and "CommandStack" not in name:
            assert cluster.properties("ExecKeyAlias")["AliasName"] in str(role), name


# ---- M2: logs, queues, response URLs ----


def test_log_that_a_task_overwrites_is_kept() -> None:
    bucket = deploy().child("StorageStack").properties("LogBucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert any(each.get("NoncurrentVersionExpiration") for each in rules)
    # Versions cannot be removed by a task.
    assert "s3:DeleteObject" not in str(deploy().child("WorkerStack").properties("TaskRole"))


def test_queue_admits_no_other_account_whatever_a_policy_says() -> None:
    queues = deploy(WorkerQueueNames="heavy,,gpu").child("QueuesStack")
    policy = queues.properties("WorkerQueuePolicy")
    statements = {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}
    everything = {
        f"<{queues.path}/{name}>"
        for name, resource in queues.resources.items()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    assert set(policy["Queues"]) == everything
    assert len(everything) == 4
    for sid in ("OnlyEncryptedConnections", "OnlyThisAccount"):
        assert (statements[sid]["Effect"], statements[sid]["Principal"]) == ("Deny", "*")
    assert "StringNotEquals" in statements["OnlyThisAccount"]["Condition"]


SENDERS = {"ControlPlaneStack", "SchedulerStack"}
RECEIVERS = {"WorkerStack"}


@pytest.mark.parametrize("environment_class", CLASSES)
def test_only_the_scheduler_sends_tasks_and_only_workers_receive_them(
    environment_class: str,
) -> None:
    root = deploy(EnvironmentClass=environment_class)
    for name, role in resources(root, "AWS::IAM::Role"):
        stack = name.split("/")[1]
        text = json.dumps(role.get("Policies", []))
        assert ("sqs:SendMessage" in text) == (name.endswith("/TaskRole") and stack in SENDERS), (
            name
        )
        if "sqs:ReceiveMessage" in text and "airflow-queue-" in text:
            assert stack in RECEIVERS, name


@pytest.mark.parametrize("environment_class", CLASSES)
def test_response_urls_are_read_only_by_the_function_that_answers(environment_class: str) -> None:
    """They are in the state bucket under commands/: who has one can answer CloudFormation."""
    root = deploy(EnvironmentClass=environment_class)
    readers = set()
    for name, role in resources(root, "AWS::IAM::Role"):
        for policy in role.get("Policies", ()):
            for statement in policy["PolicyDocument"]["Statement"]:
                if "s3:GetObject" not in str(statement["Action"]):
                    continue
                targets = statement["Resource"]
                for target in [targets] if isinstance(targets, str) else targets:
                    _, bucket, key = target.partition("/StateBucket>/")
                    if bucket and (key == "*" or key.startswith("commands/")):
                        readers.add(name.split("/")[-1])
    assert readers == {"RunAirflowCommandRole"}


# ---- the ECS executor: a workload has the token of its task ----


def statements_of(root: DryStack, role: str) -> Iterator[dict[str, Any]]:
    """What a role may do, by its own policies and by those that are attached to it."""
    for name, document in policies_of(root)[role].items():
        if name != TRUST:
            yield from document["Statement"]


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize("environment_class", CLASSES)
def test_task_cannot_find_the_workload_of_another_task(environment_class: str) -> None:
    """Its address is in DescribeTasks and in a listing of the bucket only."""
    root = deploy(EnvironmentClass=environment_class, Executors="celery,ecs")
    found = list(statements_of(root, "WorkerStack/TaskRole"))
    assert any("/workloads/*" in str(each["Resource"]) for each in found)
    for each in found:
        if any(action.startswith("ecs:Describe") for action in listed(each["Action"])):
            for resource in listed(each["Resource"]):
                assert ":task/<airflow/EcsTasksStack/Cluster>/*" in resource
        if "s3:ListBucket" in listed(each["Action"]):
            assert "StateBucket" not in str(each["Resource"])


@pytest.mark.parametrize("environment_class", CLASSES)
def test_ecs_executor_passes_no_role_of_an_isolated_queue(environment_class: str) -> None:
    """A task that names the executor runs with the shared role, whichever team wrote it."""
    root = deploy(
        EnvironmentClass=environment_class,
        Executors="celery,ecs",
        WorkerQueueNames="team-a:isolated",
    )
    scheduler = "ControlPlaneStack" if environment_class == "micro" else "SchedulerStack"
    (passing,) = [
        each
        for each in statements_of(root, f"{scheduler}/TaskRole")
        if "iam:PassRole" in listed(each["Action"])
    ]
    assert sorted(passing["Resource"]) == [
        "<airflow/WorkerStack/ExecutionRole.Arn>",
        "<airflow/WorkerStack/TaskRole.Arn>",
    ]


def test_limit_reader_of_the_state_bucket_reads_workloads() -> None:
    root = deploy(Executors="celery,ecs")
    (policy,) = [
        each
        for name, each in resources(root, "AWS::S3::BucketPolicy")
        if name.endswith("/StateBucketPolicy")
    ]
    (only,) = policy["PolicyDocument"]["Statement"]
    assert only["Sid"] == "OnlyEncryptedConnections"


# ---- M4: functions that die in silence ----


def test_every_function_that_fails_or_times_out_is_reported() -> None:
    root = deploy()
    topic = "<airflow/NotificationsStack/NotificationTopic>"
    watched = set()
    for _, alarm in resources(root, "AWS::CloudWatch::Alarm"):
        if (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors"):
            (dimension,) = alarm["Dimensions"]
            assert alarm["AlarmActions"] == [topic]
            assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Sum")
            watched.add(dimension["Value"])
    functions = {
        properties.get("FunctionName") or f"{reference}>"
        for reference, properties in resources(root, "AWS::Lambda::Function")
    }
    by_reference = {
        f"{reference}>": properties.get("FunctionName") or f"{reference}>"
        for reference, properties in resources(root, "AWS::Lambda::Function")
    }
    # A person calls doctor and sees its failure.
    unattended = functions - {"airflow-doctor"}
    assert {by_reference.get(each, each) for each in watched} == unattended


# ---- Containers ----


@pytest.mark.parametrize("environment_class", CLASSES)
def test_container_has_no_capability_and_writes_to_two_paths(environment_class: str) -> None:
    for task in task_definitions(deploy(EnvironmentClass=environment_class)):
        volumes = [each["Name"] for each in task["Volumes"]]
        mounted = []
        for container in task["ContainerDefinitions"]:
            assert container["ReadonlyRootFilesystem"] is True
            assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
            paths = {each["ContainerPath"]: each for each in container["MountPoints"]}
            assert set(paths) == {"/opt/airflow", "/tmp"}
            mounted += [each["SourceVolume"] for each in paths.values()]
        # Containers of one task do not share a folder.
        assert sorted(mounted) == sorted(volumes)


def test_container_can_be_written_to_where_a_shell_is_allowed() -> None:
    """ECS does not start the agent of ECS Exec in a read-only container."""
    for container in containers(deploy(Options="exec")):
        assert container["ReadonlyRootFilesystem"] == (container["Name"] == "command")


# ---- The client's address ----


@pytest.mark.parametrize(
    ("parameters", "hops"),
    [
        ({}, "2"),
        ({"IngressMode": "internal", "IngressCidr": "10.0.0.0/8"}, "1"),
        ({"IngressMode": "http-without-tls", "IngressCidr": "10.0.0.0/8"}, "1"),
    ],
)
def test_api_server_knows_how_many_proxies_the_stack_has(
    parameters: dict[str, str], hops: str
) -> None:
    (container,) = [c for c in containers(deploy(**parameters)) if c["Name"] == "api-server"]
    assert {"Name": "FORWARDED_HOPS", "Value": hops} in container["Environment"]
