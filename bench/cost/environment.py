"""What an environment class consists of, read from the templates.

The class table is the mapping `Classes` of template.yaml, or any other mapping that has the class
and its `Database`. Parameters of the root change it as they do in a deployment. Everything else is
counted: a resource that a template declares exists once. Resources with a condition count as well,
except alarms: a condition on an alarm stands for something that an idle default environment does
not have. tests/templates/test_cost.py compares the counts with the resolved templates.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from bench.cost.prices import InputError

ROOT = Path(__file__).resolve().parents[2]

COMPACT = "compact"
NETWORK_MODES = ("public", "single-nat", "nat-per-zone")
# A VPC of the user: its NAT gateways and endpoints are not the stack's.
OWN_NETWORK = "own"
CLOUDFRONT = "cloudfront"
INGRESS_MODES = (CLOUDFRONT, "load-balancer", "internal", "http-without-tls")
# What a parameter says when it leaves the choice to the class.
_OF_CLASS = "class"
# Parameters of the root with the name of their row in the class table.
_SIZES = (
    "ApiServerTasks",
    "SchedulerTasks",
    "DagProcessorTasks",
    "TriggererTasks",
    "Database",
    "NetworkMode",
    "WorkerMaxCount",
)
# Two subnets of each kind, in two zones: nested/network.yaml.
ZONES = 2
# The template that nested/services.yaml includes once for each service.
_OF_EACH_SERVICE = "service-alarms.yaml"
# Templates of the root's condition HasMetrics: the class table or the word `metrics` turns it on.
_OF_METRICS = ("airflow-alarms.yaml", "dashboard.yaml")
# The condition of what is there without the word `redis`.
_HAS_SQS = "HasSqs"

# functions/contracts/metrics/series.py, and the numbers of workers running and starting.
SERIES_COUNT = 32

# What the bill has a line for.
PRICED_TYPES = {
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::EC2::EIP",
    "AWS::EC2::NatGateway",
    "AWS::ECR::Repository",
    "AWS::ECS::Service",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::Lambda::EventSourceMapping",
    "AWS::RDS::DBInstance",
    "AWS::SecretsManager::Secret",
    "AWS::Lambda::Function",
    "AWS::ServiceDiscovery::PrivateDnsNamespace",
    "AWS::ServiceDiscovery::Service",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    # Only with a word of Options: bench/cost/options.py.
    "AWS::EC2::FlowLog",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::KMS::Key",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
}
# What has no line, by the reason why it costs nothing.
_FREE = {
    "no charge": (
        "AWS::CertificateManager::Certificate",
        "AWS::CloudFormation::Stack",
        "AWS::CloudFormation::WaitConditionHandle",
        "AWS::CloudFront::CachePolicy",
        "AWS::CloudFront::OriginRequestPolicy",
        "AWS::CloudFront::ResponseHeadersPolicy",
        "AWS::CloudFront::VpcOrigin",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::Route",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::ECS::Cluster",
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "AWS::ElastiCache::ParameterGroup",
        "AWS::ElastiCache::SubnetGroup",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::IAM::RolePolicy",
        "AWS::KMS::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
        "AWS::RDS::DBParameterGroup",
        "AWS::RDS::DBSubnetGroup",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::Scheduler::ScheduleGroup",
        "AWS::SecretsManager::SecretTargetAttachment",
        "AWS::Serverless::Application",
    ),
    "only its traffic is charged": (
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::Function",
        "AWS::Route53::RecordSet",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
    ),
    "a part of the load balancer": (
        "AWS::ElasticLoadBalancingV2::Listener",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::ElasticLoadBalancingV2::TargetGroup",
    ),
    "charged as the tasks that run": ("AWS::ECS::TaskDefinition",),
    "the gateway endpoint of S3; interface endpoints would have a line": ("AWS::EC2::VPCEndpoint",),
    "events of AWS services, and fewer calls than are free": (
        "AWS::Events::Rule",
        "AWS::Scheduler::Schedule",
    ),
    "less than the 75 GB that an account has for functions and layers": (
        "AWS::Lambda::LayerVersion",
    ),
    "it needs no metric beyond those that are free": (
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::Logs::MetricFilter",
    ),
    "only with a word of Options, by the minute of a build": ("AWS::CodeBuild::Project",),
}
FREE_TYPES = {kind: reason for reason, kinds in _FREE.items() for kind in kinds}

_TASKS = re.compile(r"(?P<count>\d+)x(?P<cpu>\d+)/(?P<memory>\d+)")
_DATABASE = re.compile(r"(?P<instance>db\.[\w.-]+)/(?P<gib>\d+)/(?P<zones>single-az|multi-az)")
_BROKER = re.compile(r"(?P<node>cache\.[\w.-]+)/(?P<count>\d)")
_WORKER = re.compile(r"(?P<cpu>\d+)/(?P<memory>\d+)/(?P<slots>\d+)")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's YAML. The values of intrinsic functions are not needed."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: f"!{suffix}")


@dataclass(frozen=True)
class Tasks:
    """An ECS service of the control plane."""

    name: str
    count: int
    vcpu: float
    gib: float


@dataclass(frozen=True)
class Database:
    instance: str
    gib: int
    is_multi_az: bool


@dataclass(frozen=True)
class Broker:
    """The nodes of Valkey, where Options says redis."""

    node: str
    count: int


@dataclass(frozen=True)
class Worker:
    vcpu: float
    gib: float
    slots: int
    max_count: int


@dataclass(frozen=True)
class Inventory:
    """How many of them the templates declare."""

    secrets: int
    alarms: int
    dashboards: int
    private_zones: int
    lambda_queues: int
    repositories: int = 0
    # Of Airflow, each a custom metric of CloudWatch.
    series: int = 0


@dataclass(frozen=True)
class Environment:
    name: str
    tasks: tuple[Tasks, ...]
    database: Database
    network_mode: str
    worker: Worker
    broker: Broker
    inventory: Inventory
    ingress: str = CLOUDFRONT
    words: tuple[str, ...] = ()

    @property
    def is_x86(self) -> bool:
        return "x86" in self.words

    @property
    def has_sqs(self) -> bool:
        """Whether the broker is SQS and not Valkey."""
        return "redis" not in self.words

    @property
    def idle_vcpu(self) -> float:
        return sum(each.count * each.vcpu for each in self.tasks)

    @property
    def most_vcpu(self) -> float:
        """With all workers of the default fleet, without deployments and commands."""
        return self.idle_vcpu + self.worker.max_count * self.worker.vcpu

    @property
    def api_server_count(self) -> int:
        return sum(each.count for each in self.tasks if each.name == "api-server")


def class_names(template: Path = ROOT / "template.yaml") -> list[str]:
    return list(_class_table(template))


def read_environment(
    name: str,
    template: Path = ROOT / "template.yaml",
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> Environment:
    classes = _class_table(template)
    if name not in classes:
        raise InputError(f"Unknown class {name!r}: choose from {', '.join(classes)}")
    chosen = {key: parameters[key] for key in _SIZES if parameters.get(key, _OF_CLASS) != _OF_CLASS}
    values = _Values(name, {**classes[name], **chosen})
    tasks = [values.tasks("api-server", "ApiServerTasks")]
    if values.text("ControlPlane") == COMPACT:
        tasks.append(values.tasks("control-plane", "SchedulerTasks"))
    else:
        tasks += [
            values.tasks("scheduler", "SchedulerTasks"),
            values.tasks("dag-processor", "DagProcessorTasks"),
            values.tasks("triggerer", "TriggererTasks"),
        ]
    ingress = parameters.get("IngressMode", CLOUDFRONT)
    if ingress not in INGRESS_MODES:
        raise InputError(f"IngressMode is {ingress!r}: it must be {', '.join(INGRESS_MODES)}")
    is_own_network = parameters.get("Vpc", "").startswith("vpc-")
    words = tuple(word for word in parameters.get("Options", "").split(",") if word)
    has_metrics = values.optional("Metrics") == "on" or "metrics" in words
    return Environment(
        name=name,
        tasks=tuple(tasks),
        database=values.database(),
        network_mode=OWN_NETWORK if is_own_network else values.network_mode(),
        worker=values.worker(_default_worker(parameters)),
        broker=values.broker(),
        inventory=_inventory(template, parameters, words, len(tasks), has_metrics=has_metrics),
        ingress=ingress,
        words=words,
    )


def _default_worker(parameters: Mapping[str, str]) -> dict[str, Any]:
    """What WorkerFleets says about the workers of the default queue."""
    try:
        fleets = json.loads(parameters.get("WorkerFleets", "{}"))
    except json.JSONDecodeError as error:
        raise InputError(f"WorkerFleets is not valid JSON: {error}") from error
    found = fleets.get("default") if isinstance(fleets, dict) else None
    return found if isinstance(found, dict) else {}


class _Values:
    """The values of one class, each checked when it is read."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self._name = name
        self._values = values

    def text(self, key: str) -> str:
        if key not in self._values:
            raise InputError(f"Class {self._name} of the class table has no {key}")
        return str(self._values[key])

    def optional(self, key: str) -> str:
        return str(self._values.get(key, ""))

    def tasks(self, name: str, key: str) -> Tasks:
        found = self._match(key, _TASKS, "2x1024/3072")
        cpu, memory = int(found["cpu"]), int(found["memory"])
        return Tasks(name, int(found["count"]), cpu / 1024, memory / 1024)

    def database(self) -> Database:
        found = self._match("Database", _DATABASE, "db.t4g.micro/20/single-az")
        return Database(found["instance"], int(found["gib"]), found["zones"] == "multi-az")

    def network_mode(self) -> str:
        mode = self.text("NetworkMode")
        if mode not in NETWORK_MODES:
            raise InputError(
                f"NetworkMode of class {self._name} is {mode!r}: it must be "
                f"{', '.join(NETWORK_MODES)}"
            )
        return mode

    def worker(self, chosen: Mapping[str, Any]) -> Worker:
        values = {"WorkerSize": str(chosen["size"])} if "size" in chosen else {}
        sized = _Values(self._name, {**self._values, **values})
        found = sized._match("WorkerSize", _WORKER, "1024/4096/8")
        cpu, memory = int(found["cpu"]), int(found["memory"])
        most = int(self.text("WorkerMaxCount"))
        most = int(chosen.get("maxCount", most))
        return Worker(cpu / 1024, memory / 1024, int(found["slots"]), most)

    def broker(self) -> Broker:
        found = self._match("BrokerNodes", _BROKER, "cache.t4g.micro/1")
        return Broker(found["node"], int(found["count"]))

    def _match(self, key: str, pattern: re.Pattern[str], example: str) -> re.Match[str]:
        found = pattern.fullmatch(self.text(key))
        if found is None:
            raise InputError(
                f"{key} of class {self._name} is {self.text(key)!r}: it must look like {example}"
            )
        return found


def _class_table(template: Path) -> dict[str, Any]:
    mappings = _load(template).get("Mappings") or {}
    ordered = sorted(mappings.items(), key=lambda item: item[0] != "Classes")
    for _, mapping in ordered:
        classes = {
            name: values
            for name, values in mapping.items()
            if isinstance(values, dict) and "Database" in values
        }
        if classes:
            return classes
    raise InputError(f"{template.name} has no class table: no mapping has a class with a Database")


def _load(template: Path) -> dict[str, Any]:
    try:
        return _parsed(template.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{template} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{template} is not valid YAML: {error}") from error


@cache
def _parsed(text: str) -> dict[str, Any]:
    found = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    return found if isinstance(found, dict) else {}


def declared_types(template: Path = ROOT / "template.yaml") -> set[str]:
    return {resource["Type"] for resource in _declared(template)}


def _declared(
    template: Path, without: Collection[str] = (), services: int = 1
) -> list[dict[str, Any]]:
    files = [template, *sorted((template.parent / "nested").glob("*.yaml"))]
    return [
        resource
        for file in files
        if file.name not in without
        for _ in range(services if file.name == _OF_EACH_SERVICE else 1)
        for resource in _resources(_load(file).get("Resources") or {})
    ]


def _inventory(
    template: Path,
    parameters: Mapping[str, str],
    words: Collection[str],
    services: int,
    has_metrics: bool,
) -> Inventory:
    # With an image of your own the stack builds none, and with your own Fernet key it makes none.
    without = ["image.yaml"] if parameters.get("AirflowImageUri") else []
    without += [] if has_metrics else _OF_METRICS
    has_sqs = "redis" not in words
    without += ["broker-redis.yaml"] if has_sqs else ["queues.yaml"]
    without += [] if "flower" in words else ["flower.yaml"]
    resources = _declared(template, without, services)
    has_fernet_key = not parameters.get("FernetKeySecretArn")

    def count(kind: str) -> int:
        return sum(resource["Type"] == kind for resource in resources)

    return Inventory(
        secrets=sum(
            resource["Type"] == "AWS::SecretsManager::Secret"
            and (has_fernet_key or "Condition" not in resource)
            for resource in resources
        ),
        # Each additional queue of SQS has two: for the scaler, and for tasks that wait.
        alarms=sum(
            resource["Type"] == "AWS::CloudWatch::Alarm"
            and ("Condition" not in resource or (has_sqs and resource["Condition"] == _HAS_SQS))
            for resource in resources
        )
        + sum(2 for name in parameters.get("WorkerQueueNames", "").split(",") if name and has_sqs),
        dashboards=count("AWS::CloudWatch::Dashboard"),
        private_zones=count("AWS::ServiceDiscovery::PrivateDnsNamespace"),
        repositories=count("AWS::ECR::Repository"),
        series=SERIES_COUNT if has_metrics else 0,
        lambda_queues=count("AWS::Lambda::EventSourceMapping")
        + sum(_queue_events(resource) for resource in resources),
    )


def _queue_events(function: Mapping[str, Any]) -> int:
    """A queue that SAM attaches to a function is an event of it."""
    events = (function.get("Properties") or {}).get("Events") or {}
    return sum(event.get("Type") == "SQS" for event in events.values())


def _resources(node: Any) -> Iterator[dict[str, Any]]:
    """Every declaration in the section, those in the body of a loop included."""
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, dict) and str(value.get("Type", "")).startswith("AWS::"):
            yield value
        elif isinstance(value, dict | list):
            yield from _resources(value)
