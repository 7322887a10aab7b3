"""The bill: a line for each thing that is paid for while no task runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.cost.environment import ZONES, Environment
from bench.cost.prices import Price, PriceTable

# Hours of an average month, as AWS's own calculator counts them.
HOURS = 730
INGRESS_MODES = ("cloudfront", "load-balancer", "internal", "http-without-tls")
# The load balancer has public addresses, one in each zone. CloudFront reaches an internal one.
_INTERNET_FACING = ("load-balancer", "http-without-tls")

# AWS gives these to every account, not to every stack.
FREE_ALARMS = 10
FREE_DASHBOARDS = 3

# The dag-processor asks for the current release every three seconds (docs/dag-releases.md).
_S3_GET = HOURS * 3600 / 3
# It reports the releases in use every five minutes; publish_dags lists two folders every 15.
_S3_PUT_AND_LIST = HOURS * (12 + 4 * 2)
# publish_dags every 15 minutes, scale_workers every hour.
_CALLS = HOURS * (4 + 1)
# A call of 256 MB for two seconds, which is generous.
_GB_SECONDS = _CALLS * 0.25 * 2
# The image that the stack builds: 228 MB of layers (docs/decisions/0013-the-image-is-built-in-the-
# account.md). Each change of its packages adds 140 MB.
_IMAGE_GB = 0.228
# Lambda holds five long polls of 20 s open on a queue that calls a function.
_POLLS_OF_A_QUEUE = HOURS * 3600 / 20 * 5


@dataclass(frozen=True)
class Line:
    item: str
    quantity: float
    price: Price
    note: str = ""

    @property
    def usd(self) -> float:
        return self.quantity * self.price.usd


@dataclass(frozen=True)
class Comparison:
    name: str
    usd: float


def bill(environment: Environment, prices: PriceTable, ingress: str, x86: bool) -> list[Line]:
    lines = [
        *_fargate(environment, prices, x86),
        *_network(environment, prices),
        *_load_balancer(prices, ingress),
        *_database(environment, prices),
        *_small_things(environment, prices),
        *_requests(environment, prices),
    ]
    return [line for line in lines if line.quantity]


def total(lines: list[Line]) -> float:
    return sum(line.usd for line in lines)


def worker_usd_per_hour(environment: Environment, prices: PriceTable, x86: bool) -> float:
    """On demand, with the public address that a worker has where there is no NAT gateway."""
    vcpu, memory = _fargate_prices(prices, x86)
    worker = environment.worker
    usd = worker.vcpu * vcpu.usd + worker.gib * memory.usd
    if environment.network_mode == "public":
        usd += prices.find("VPC", "Public IPv4 in use").usd
    return usd


def comparisons(prices: PriceTable) -> list[Comparison]:
    """What Amazon charges for its own environments: the environment alone, without storage, a
    network, or workers beyond the first."""
    return [
        Comparison(f"MWAA mw1.{size}", HOURS * prices.find("MWAA", f"mw1.{size} environment").usd)
        for size in ("micro", "small")
    ]


def _fargate_prices(prices: PriceTable, x86: bool) -> tuple[Price, Price]:
    processor = "x86" if x86 else "ARM"
    return (
        prices.find("Fargate", f"Linux/{processor} vCPU"),
        prices.find("Fargate", f"Linux/{processor} memory"),
    )


def _fargate(environment: Environment, prices: PriceTable, x86: bool) -> Iterator[Line]:
    vcpu, memory = _fargate_prices(prices, x86)
    for tasks in environment.tasks:
        yield Line(f"Fargate {tasks.name}: vCPU", tasks.count * tasks.vcpu * HOURS, vcpu)
        yield Line(f"Fargate {tasks.name}: memory", tasks.count * tasks.gib * HOURS, memory)


def _network(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    address = prices.find("VPC", "Public IPv4 in use")
    if environment.network_mode == "public":
        count = sum(tasks.count for tasks in environment.tasks)
        yield Line("public IPv4 of tasks", count * HOURS, address)
        return
    gateways = ZONES if environment.network_mode == "nat-per-zone" else 1
    yield Line("NAT gateway", gateways * HOURS, prices.find("VPC", "NAT gateway"))
    yield Line("public IPv4 of NAT gateways", gateways * HOURS, address)


def _load_balancer(prices: PriceTable, ingress: str) -> Iterator[Line]:
    yield Line("load balancer", HOURS, prices.find("ALB", "Load balancer"))
    if ingress in _INTERNET_FACING:
        address = prices.find("VPC", "Public IPv4 in use")
        yield Line("public IPv4 of the load balancer", ZONES * HOURS, address)


def _database(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    database = environment.database
    zones = "Multi-AZ" if database.is_multi_az else "Single-AZ"
    instance = f"{database.instance} {zones}"
    yield Line(f"RDS {instance}", HOURS, prices.find("RDS PostgreSQL", instance))
    storage = prices.find("RDS PostgreSQL", f"gp3 storage {zones}")
    yield Line(f"RDS gp3 storage, {zones}", database.gib, storage)


def _small_things(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    found = environment.inventory
    yield Line("Secrets Manager secrets", found.secrets, prices.find("Secrets Manager", "Secret"))
    yield Line(
        "CloudWatch alarms",
        max(0, found.alarms - FREE_ALARMS),
        prices.find("CloudWatch", "Alarm"),
        f"{found.alarms} in all; the first {FREE_ALARMS} of an account are free",
    )
    yield Line(
        "CloudWatch dashboards",
        max(0, found.dashboards - FREE_DASHBOARDS),
        prices.find("CloudWatch", "Dashboard"),
        f"{found.dashboards} in all; the first {FREE_DASHBOARDS} of an account are free",
    )
    yield Line("private DNS zone", found.private_zones, prices.find("Route 53", "Hosted zone"))
    yield Line(
        "Cloud Map instances",
        environment.api_server_count if found.private_zones else 0,
        prices.find("Cloud Map", "Registered instance"),
    )
    yield Line(
        "ECR storage of the image", found.repositories * _IMAGE_GB, prices.find("ECR", "Storage")
    )


def _requests(environment: Environment, prices: PriceTable) -> Iterator[Line]:
    yield Line("S3 GET requests", _S3_GET / 1000, prices.find("S3", "GET requests"))
    yield Line(
        "S3 PUT and LIST requests",
        _S3_PUT_AND_LIST / 1000,
        prices.find("S3", "PUT, COPY, POST, LIST requests"),
    )
    yield Line("Lambda calls", _CALLS / 1e6, prices.find("Lambda", "Requests"))
    yield Line("Lambda duration", _GB_SECONDS, prices.find("Lambda", "Duration ARM"))
    yield Line(
        "SQS polls by Lambda",
        environment.inventory.lambda_queues * _POLLS_OF_A_QUEUE / 1e6,
        prices.find("SQS", "Standard requests"),
    )
