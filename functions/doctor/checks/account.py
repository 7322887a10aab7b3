"""What the account has left, and what expires or rings."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from doctor.model import Finding, fail, ok, warn
from doctor.ports import CertificateState, ImageState, TaskState

# The functions need few executions at once, and share them with all others of the account. A new
# account has 10.
_LAMBDA_LEAST = 10
_LAMBDA_USUAL = 50
# Addresses for the tasks of a deployment, which run beside the old ones.
_ADDRESSES_LEAST = 8
_IMAGE_AGE = timedelta(days=180)
_CERTIFICATE_WARNING = timedelta(days=30)
_CERTIFICATE_FAILURE = timedelta(days=7)
_SKEW_WARNING = timedelta(seconds=60)
# AWS refuses a signature that is five minutes old.
_SKEW_FAILURE = timedelta(seconds=300)
_INCREASE = "aws service-quotas request-service-quota-increase; docs/operating.md"


def fargate(
    quota: float, tasks: Sequence[TaskState], worker_vcpu: float, workers: int
) -> Iterator[Finding]:
    """Only this cluster's tasks are known; others of the account use the same quota."""
    in_use = sum(task.vcpu for task in tasks)
    standing = sum(task.vcpu for task in tasks if not task.family.endswith("-worker"))
    most = standing + workers * worker_vcpu
    used = f"{in_use:g} of {quota:g} Fargate vCPU are in use here"
    if quota - in_use < worker_vcpu and most > in_use:
        yield fail(f"{used}: no further worker can start", _INCREASE)
    elif most > quota:
        yield warn(
            f"{used}; with all {workers} workers it would be {most:g}",
            f"{_INCREASE}, or lower WorkerMaxCount",
        )
    else:
        yield ok(used)


def functions(concurrency: int) -> Iterator[Finding]:
    what = f"The account has {concurrency} concurrent executions of Lambda"
    if concurrency < _LAMBDA_LEAST:
        yield fail(f"{what}: calls are refused when functions run side by side", _INCREASE)
    elif concurrency < _LAMBDA_USUAL:
        yield warn(what, _INCREASE)
    else:
        yield ok(what)


def addresses(free: Mapping[str, int], workers: int) -> Iterator[Finding]:
    wanted = workers + _ADDRESSES_LEAST
    together = sum(free.values())
    step = "Use larger subnets, or delete what holds their addresses"
    full = [subnet for subnet, count in free.items() if count < _ADDRESSES_LEAST]
    for subnet in full:
        yield fail(f"The subnet {subnet} has {free[subnet]} free addresses", step)
    if not full and together < wanted:
        yield warn(f"The subnets have {together} free addresses for {workers} workers", step)
    elif not full:
        yield ok(f"The subnets have {together} free addresses")


def image(found: ImageState | None, now: datetime) -> Iterator[Finding]:
    if found is None:
        yield fail(
            "The registry does not have the image: the next task cannot start",
            "Deploy again, which builds it, or push it",
        )
        return
    days = (now - found.pushed_at).days
    if now - found.pushed_at > _IMAGE_AGE:
        yield warn(
            f"The image is {days} days old",
            "Newer packages have fixes: update the base image's digest and the lock, and deploy",
        )
    else:
        yield ok(f"The image is {days} days old")


def other_image(uri: str) -> Iterator[Finding]:
    yield ok(f"{uri} is not in ECR: its age is not known")


def certificate(found: CertificateState | None, now: datetime) -> Iterator[Finding]:
    if found is None:
        yield ok("The stack has no certificate that you have to renew")
        return
    if found.status != "ISSUED":
        yield fail(f"The certificate is {found.status}", "Issue or import another: CertificateArn")
        return
    if found.until is None:
        yield ok("The certificate is issued")
        return
    left = found.until - now
    what = f"The certificate is valid until {found.until:%Y-%m-%d}"
    step = (
        "ACM renews it when its DNS record for validation exists"
        if found.renewed_by_aws
        else "Import the renewed certificate under the same ARN"
    )
    if left < _CERTIFICATE_FAILURE:
        yield fail(what, step)
    elif left < _CERTIFICATE_WARNING:
        yield warn(what, step)
    else:
        yield ok(what)


def clock(here: datetime, of_aws: datetime) -> Iterator[Finding]:
    skew = abs(here - of_aws)
    what = f"The clock differs by {skew.total_seconds():.0f} s from that of AWS"
    step = "Tokens and signatures depend on the time: correct the machine's clock"
    if skew > _SKEW_FAILURE:
        yield fail(what, step)
    elif skew > _SKEW_WARNING:
        yield warn(what, step)
    else:
        yield ok(what)


def alarms(ringing: Mapping[str, str]) -> Iterator[Finding]:
    for name, description in ringing.items():
        yield fail(f"The alarm {name} rings. {description}".rstrip(), "docs/runbooks")
    if not ringing:
        yield ok("No alarm rings")


def stack(status: str) -> Iterator[Finding]:
    if status.endswith("_FAILED"):
        yield fail(
            f"The stack is {status}",
            "docs/operating.md, When a deployment fails; "
            "aws cloudformation continue-update-rollback if a rollback failed",
        )
    elif status.endswith("_IN_PROGRESS"):
        yield warn(f"The stack is {status}", "Look again when the deployment has ended")
    elif "ROLLBACK" in status:
        yield warn(f"The stack is {status}", "The last deployment failed: see its events")
    else:
        yield ok(f"The stack is {status}")
