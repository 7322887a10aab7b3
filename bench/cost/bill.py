"""The bill: a line for each thing that is paid for, idle and with work."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.cost.environment import OWN_NETWORK, ZONES, Environment
from bench.cost.options import Line, option_lines
from bench.cost.prices import HOURS, Price, PriceTable
from bench.cost.workloads import Work

# The load balancer has public addresses, one in each zone. CloudFront reaches an internal one.
_INTERNET_FACING = ("load-balancer", "http-without-tls")

# AWS gives these to every account, not to every stack.
FREE_ALARMS = 10
FREE_DASHBOARDS = 3
FREE_LOG_GB = 5

# The dag-processor asks for the current release every three seconds (docs/dag-releases.md).
_S3_GET = HOURS * 3600 / 3
# It reports the releases in use every five minutes; publish_dags lists two folders every 15.
_S3_PUT_AND_LIST = HOURS * (12 + 4 * 2)
# publish_dags every 15 minutes, scale_workers every hour.
_CALLS = HOURS * (4 + 1)
# A call of 256 MB for two seconds, which is generous.
_GB_SECONDS_OF_A_CALL = 0.25 * 2
# The image that the stack builds: 228 MB of layers (docs/decisions/0013-the-image-is-built-in-the-
# account.md). Each change of its packages adds 140 MB.
_IMAGE_GB = 0.228
# Lambda holds five long polls of 20 s open on a queue that calls a function.
_POLLS_OF_A_QUEUE = HOURS * 3600 / 20 * 5
# What a control plane without work writes to its logs in a minute, seen in a local run: the
# dag-processor 4.5 KB, the others together 2 KB.
_IDLE_LOG_GB = HOURS * 60 * 6.5e3 / 1e9
# What the components write about one task: scheduler and worker 7 KB in a local run, and an
# assumed 3 KB of the api-server.
_LOG_GB_OF_A_TASK = 10e3 / 1e9
# A worker's long poll of SQS takes 10 s, and it reads its orders every 15 s.
_POLLS_OF_A_WORKER = 3600 / 10
_ORDERS_OF_A_WORKER = 3600 / 15
# nested/flower.yaml.
_FLOWER_VCPU, _FLOWER_GIB = 0.25, 1
# Sent, received, deleted.
_SQS_OF_A_TASK = 3
# Its log is written once when it ends.
_S3_PUT_OF_A_TASK = 1


@dataclass(frozen=True)
class Bill:
    """What an environment costs with some work."""

    environment: Environment
    work: Work
    lines: Sequence[Line]

    @property
    def total(self) -> float:
        return sum(line.usd for line in self.lines)


def bill(environment: Environment, prices: PriceTable, work: Work) -> Bill:
    lines = [
        *_fargate(environment, prices),
        *_network(environment, prices),
        *_load_balancer(environment, prices),
        *_database(environment, prices),
        *_small_things(environment, prices, work),
        *_requests(environment, prices),
        *option_lines(environment.words, prices),
        *_broker(environment, prices),
        *_flower(environment, prices),
        *_work(environment, prices, work),
    ]
    return Bill(environment, work, [line for line in lines if line.quantity or line.note])


def worker_usd_per_hour(environment: Environment, prices: PriceTable) -> float:
    """On demand, with the public address that a worker has where there is no NAT gateway."""
    return sum(line.usd for line in _worker_hours(environment, prices, 1))


def _fargate_prices(environment: Environment, prices: PriceTable) -> tuple[Price, Price]:
    processor = "x86" if environment.is_x86 else "ARM"
    return (
        prices.find("Fargate", f"Linux/{processor} vCPU"),
        prices.find("Fargate", f"Linux/{processor} memory"),
    )


def _fargate(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    vcpu, memory = _fargate_prices(environment, prices)
    kind = "AWS::ECS::Service"
    for tasks in environment.tasks:
        vcpu_hours, gb_hours = tasks.count * tasks.vcpu * HOURS, tasks.count * tasks.gib * HOURS
        yield Line(f"Fargate {tasks.name}: vCPU", vcpu_hours, vcpu, kind)
        yield Line(f"Fargate {tasks.name}: memory", gb_hours, memory, kind)


def _network(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    if environment.network_mode == OWN_NETWORK:
        return
    address = prices.find("VPC", "Public IPv4 in use")
    if environment.network_mode == "public":
        count = sum(tasks.count for tasks in environment.tasks)
        yield Line("public IPv4 of tasks", count * HOURS, address, "AWS::ECS::Service")
        return
    gateways = ZONES if environment.network_mode == "nat-per-zone" else 1
    gateway = prices.find("VPC", "NAT gateway")
    yield Line("NAT gateway", gateways * HOURS, gateway, "AWS::EC2::NatGateway")
    yield Line("public IPv4 of NAT gateways", gateways * HOURS, address, "AWS::EC2::EIP")


def _load_balancer(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    kind = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    yield Line("load balancer", HOURS, prices.find("ALB", "Load balancer"), kind)
    if environment.ingress in _INTERNET_FACING:
        address = prices.find("VPC", "Public IPv4 in use")
        yield Line("public IPv4 of the load balancer", ZONES * HOURS, address, kind)


def _database(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    database = environment.database
    zones = "Multi-AZ" if database.is_multi_az else "Single-AZ"
    instance = f"{database.instance} {zones}"
    kind = "AWS::RDS::DBInstance"
    yield Line(f"RDS {instance}", HOURS, prices.find("RDS PostgreSQL", instance), kind)
    storage = prices.find("RDS PostgreSQL", f"gp3 storage {zones}")
    yield Line(f"RDS gp3 storage, {zones}", database.gib, storage, kind)


def _broker(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    if environment.has_sqs:
        return
    broker = environment.broker
    node = prices.find("ElastiCache Valkey", broker.node)
    kind = "AWS::ElastiCache::ReplicationGroup"
    yield Line(f"redis: {broker.node}", broker.count * HOURS, node, kind)


def _flower(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    if "flower" not in environment.words:
        return
    vcpu, memory = _fargate_prices(environment, prices)
    yield Line("flower: vCPU", _FLOWER_VCPU * HOURS, vcpu, "AWS::ECS::Service")
    yield Line("flower: memory", _FLOWER_GIB * HOURS, memory, "AWS::ECS::Service")
    if environment.network_mode == "public":
        yield Line("flower: public IPv4", HOURS, prices.find("VPC", "Public IPv4 in use"))


def _small_things(environment: Environment, prices: PriceTable, work: Work) -> Iterator[Line]:
    found = environment.inventory
    secret = prices.find("Secrets Manager", "Secret")
    yield Line("Secrets Manager secrets", found.secrets, secret, "AWS::SecretsManager::Secret")
    yield Line(
        "CloudWatch alarms",
        max(0, found.alarms - FREE_ALARMS),
        prices.find("CloudWatch", "Alarm"),
        "AWS::CloudWatch::Alarm",
        f"{found.alarms} in all; the first {FREE_ALARMS} of an account are free",
    )
    yield Line(
        "CloudWatch dashboards",
        max(0, found.dashboards - FREE_DASHBOARDS),
        prices.find("CloudWatch", "Dashboard"),
        "AWS::CloudWatch::Dashboard",
        f"{found.dashboards} in all; the first {FREE_DASHBOARDS} of an account are free"
        if found.dashboards
        else "",
    )
    yield Line(
        "CloudWatch metrics of Airflow",
        found.series,
        prices.find("CloudWatch", "Custom metric"),
        "AWS::CloudWatch::Dashboard",
        "each series that is sent in a month, at most",
    )
    log_gb = _IDLE_LOG_GB + work.tasks * _LOG_GB_OF_A_TASK
    yield Line(
        "CloudWatch logs",
        max(0.0, log_gb - FREE_LOG_GB),
        prices.find("CloudWatch", "Logs ingest standard"),
        "AWS::Logs::LogGroup",
        f"about {log_gb:.1f} GB in all; the first {FREE_LOG_GB} GB of an account are free",
    )
    zone = prices.find("Route 53", "Hosted zone")
    kind = "AWS::ServiceDiscovery::PrivateDnsNamespace"
    yield Line("private DNS zone", found.private_zones, zone, kind)
    yield Line(
        "Cloud Map instances",
        environment.api_server_count if found.private_zones else 0,
        prices.find("Cloud Map", "Registered instance"),
        "AWS::ServiceDiscovery::Service",
    )
    yield Line(
        "ECR storage of the image",
        found.repositories * _IMAGE_GB,
        prices.find("ECR", "Storage"),
        "AWS::ECR::Repository",
    )


def _requests(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    bucket, function = "AWS::S3::Bucket", "AWS::Lambda::Function"
    put = prices.find("S3", "PUT, COPY, POST, LIST requests")
    yield Line("S3 GET requests", _S3_GET / 1000, prices.find("S3", "GET requests"), bucket)
    yield Line("S3 PUT and LIST requests", _S3_PUT_AND_LIST / 1000, put, bucket)
    yield Line("Lambda calls", _CALLS / 1e6, prices.find("Lambda", "Requests"), function)
    duration = prices.find("Lambda", "Duration ARM")
    yield Line("Lambda duration", _CALLS * _GB_SECONDS_OF_A_CALL, duration, function)
    yield Line(
        "SQS polls by Lambda",
        environment.inventory.lambda_queues * _POLLS_OF_A_QUEUE / 1e6,
        prices.find("SQS", "Standard requests"),
        "AWS::Lambda::EventSourceMapping",
    )


def _worker_hours(environment: Environment, prices: PriceTable, hours: float) -> Iterator[Line]:
    vcpu, memory = _fargate_prices(environment, prices)
    worker = environment.worker
    yield Line("workers: vCPU", hours * worker.vcpu, vcpu)
    yield Line("workers: memory", hours * worker.gib, memory)
    if environment.network_mode == "public":
        yield Line("workers: public IPv4", hours, prices.find("VPC", "Public IPv4 in use"))


def _work(environment: Environment, prices: PriceTable, work: Work) -> Iterator[Line]:
    hours = work.worker_hours
    yield from _worker_hours(environment, prices, hours)
    requests = work.tasks * _SQS_OF_A_TASK + hours * _POLLS_OF_A_WORKER
    sqs = prices.find("SQS", "Standard requests")
    yield Line(
        "workers: SQS requests",
        requests / 1e6 if environment.has_sqs else 0,
        sqs,
        "AWS::SQS::Queue",
        "" if environment.has_sqs else "none: the broker is Valkey",
    )
    gets = hours * _ORDERS_OF_A_WORKER + work.scaler_calls * 3
    yield Line("workers: S3 GET requests", gets / 1000, prices.find("S3", "GET requests"))
    puts = work.tasks * _S3_PUT_OF_A_TASK + work.scaler_calls
    put = prices.find("S3", "PUT, COPY, POST, LIST requests")
    yield Line("workers: S3 PUT requests", puts / 1000, put)
    calls = work.scaler_calls
    yield Line("scaler: Lambda calls", calls / 1e6, prices.find("Lambda", "Requests"))
    duration = prices.find("Lambda", "Duration ARM")
    yield Line("scaler: Lambda duration", calls * _GB_SECONDS_OF_A_CALL, duration)
