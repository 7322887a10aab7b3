"""What each word of `Options` adds to the bill of an idle environment."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.cost.prices import HOURS, InputError, Price, PriceTable

# S3 asks for the key of a bucket again and again, each time for many objects. One request a minute
# for each bucket is more than an idle environment makes; SQS and SNS reuse a data key.
_KEY_REQUESTS = HOURS * 60 * 3
# A rule group of AWS costs as much as a rule: nested/web-acl.yaml.
_WAF_RULES = 3


@dataclass(frozen=True)
class Line:
    """One line of a bill. `kind` is the type of resource that is paid for, if it is one."""

    item: str
    quantity: float
    price: Price
    kind: str = ""
    note: str = ""

    @property
    def usd(self) -> float:
        return self.quantity * self.price.usd


Words = Callable[[PriceTable], Iterator[Line]]


def option_lines(words: Sequence[str], prices: PriceTable) -> list[Line]:
    """The lines of some words, in their order."""
    if unknown := [word for word in words if word not in WORDS]:
        raise InputError(f"Unknown word {unknown[0]!r} of Options: choose from {', '.join(WORDS)}")
    return [line for word in words for line in WORDS[word](prices)]


def _nothing(_prices: PriceTable) -> Iterator[Line]:
    yield from ()


def _exec(prices: PriceTable) -> Iterator[Line]:
    yield Line("exec: KMS key", 1, prices.find("KMS", "Customer managed key"), "AWS::KMS::Key")


def _customer_key(prices: PriceTable) -> Iterator[Line]:
    key = prices.find("KMS", "Customer managed key")
    yield Line("customer-key: KMS key", 1, key, "AWS::KMS::Key")
    yield Line(
        "customer-key: KMS requests, at most", _KEY_REQUESTS / 1e4, prices.find("KMS", "Requests")
    )


def _flow_logs(prices: PriceTable) -> Iterator[Line]:
    # Internet background noise on the public addresses; with NAT gateways it is less.
    ingest = prices.find("CloudWatch", "Logs ingest standard")
    yield Line("flow-logs: 1 GB, assumed", 1, ingest, "AWS::EC2::FlowLog")


def _waf(prices: PriceTable) -> Iterator[Line]:
    yield Line("waf: web ACL", 1, prices.find("WAF", "Web ACL"), "AWS::WAFv2::WebACL")
    kind = "AWS::WAFv2::WebACLAssociation"
    yield Line("waf: rules", _WAF_RULES, prices.find("WAF", "Rule"), kind)


WORDS: dict[str, Words] = {
    "protected": _nothing,
    "x86": _nothing,
    "exec": _exec,
    "customer-key": _customer_key,
    # Storage of 0.023 USD per GB and month.
    "access-logs": _nothing,
    "flow-logs": _flow_logs,
    "waf": _waf,
    # Each runs a command for minutes, four times a year.
    "rotate-secrets": _nothing,
    # Basic scans of ECR cost nothing, and Inspector's are those of the account.
    "refuse-critical": _nothing,
    "refuse-high": _nothing,
    # A build is paid by the minute: docs/codebuild.md.
    "codebuild": _nothing,
    # Its series, alarms and dashboard are counted with the inventory: classes above micro have them
    # without the word.
    "metrics": _nothing,
    # bench/cost/bill.py: the nodes are those of the class, and secrets and alarms are counted.
    "redis": _nothing,
    "flower": _nothing,
}
