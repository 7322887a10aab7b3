"""Whether the image that was built may be used: ECR's scan is awaited and judged.

Without a word in Options that refuses findings, the scan is information: what it found is logged
and returned, and nothing fails. With one, everything but a finished scan refuses the image. A
rollback is never refused: it goes back to an image that was used before.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from build_image.budget import MAX_CALLS, ContinueError
from build_image.errors import ImageBuildError
from build_image.findings.accepted import FILE, AcceptedFinding, AcceptedFindings
from build_image.findings.model import NOT_FOUND, UNREADABLE, Finding, Scan, summary
from build_image.ports import ImageScans, Stacks
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.errors import AwsCallError

PROPERTY = "RefusedFindings"
NOTHING = "none"
REFUSABLE = ("CRITICAL", "HIGH")
# The words of Options that choose them.
_WORDS = {"CRITICAL": "refuse-critical", "HIGH": "refuse-high"}

# How long a scan is awaited: as information, and where the image depends on it. A scan by ECR takes
# about a minute, and one by Inspector some minutes.
_PATIENCE_SECONDS = {False: 120.0, True: 900.0}
# As information, one that has not even begun: the registry may have rules that leave this one out.
_UNBEGUN_SECONDS = 15.0
_POLL_SECONDS = 3.0
# What CloudFormation's reason has room for beside the rest of the sentence.
_LISTED_CHARACTERS = 1800
_LONGEST_ITEM = 300

_HELP = {
    NOT_FOUND: (
        "The image has no scan: let the account's registry scan on push (ECR, private registry, "
        "scanning), start one with `aws ecr start-image-scan`, and deploy again."
    ),
    UNREADABLE: "Deploy again.",
    "FAILED": (
        "Start another scan with `aws ecr start-image-scan`, which ECR allows once in 24 hours for "
        "an image, and deploy again."
    ),
    "UNSUPPORTED_IMAGE": (
        "ECR cannot scan the base image's distribution: set PYTHON_IMAGE in "
        "images/airflow/Dockerfile to another one."
    ),
    "LIMIT_EXCEEDED": "The account has used up its scans of 24 hours: deploy again tomorrow.",
}
_WAIT = "Deploy again when the scan has ended; the image is stored and is not built again."


class ImageRefusedError(ImageBuildError):
    """The image is stored, and must not be used."""


class AwaitScanError(ContinueError):
    """The scan has not ended in this call; another call goes on waiting."""

    def __init__(self, until: float) -> None:
        self.until = until
        super().__init__("the scan of the image")


@dataclass(frozen=True)
class Policy:
    """What a deployment refuses."""

    # The lowest severity that is refused, or NOTHING.
    refused: str
    accepted: AcceptedFindings = field(default_factory=AcceptedFindings)
    is_rollback: bool = False

    @property
    def refuses(self) -> bool:
        return self.refused != NOTHING


@dataclass(frozen=True)
class Verdict:
    """What the scan means for the image."""

    # The number of findings by severity, or why there is none.
    summary: str
    # What the person reads who deploys; empty if the image may be used.
    refusal: str = ""
    # What is worth a warning in the log.
    warning: str = ""
    # Findings that are, or could be, refused, and those that are accepted.
    serious: tuple[Finding, ...] = ()
    accepted: tuple[Finding, ...] = ()
    # Entries of the list that have expired although the image has their finding.
    expired: tuple[AcceptedFinding, ...] = ()


@dataclass(frozen=True)
class Gate:
    scans: ImageScans
    stacks: Stacks
    accepted_file: Path
    # What this call has left for waiting.
    remaining_seconds: Callable[[], float]
    call: int = 1
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    def policy(self, request: CustomResourceRequest) -> Policy:
        """What the request refuses. It costs nothing, so it comes before the build.

        Raises:
            AcceptedFindingsError: the list of accepted findings cannot be used.
        """
        if request.request_type == "Update" and self.stacks.is_rolling_back(request.stack_id):
            return Policy(NOTHING, is_rollback=True)
        refused = str(request.properties.get(PROPERTY, NOTHING))
        if refused not in (*REFUSABLE, NOTHING):
            raise ImageBuildError(
                f"{PROPERTY} is {refused!r}, and must be {', '.join(REFUSABLE)} or {NOTHING}."
            )
        return Policy(refused, AcceptedFindings.read(self.accepted_file, self._today()))

    def check(self, digest: str, policy: Policy, until: float | None = None) -> Verdict:
        """Judge the image by its scan.

        Args:
            until: when the waiting ends (POSIX time), in a call that continues another.

        Raises:
            AwaitScanError: another call has to go on waiting.
        """
        try:
            scan = self._awaited(digest, policy, until)
        except AwsCallError as error:
            if policy.refuses:
                raise
            return Verdict("unknown", warning=str(error))
        if not scan.is_finished:
            return _without_result(scan, policy)
        return self._judge(scan, policy)

    def _awaited(self, digest: str, policy: Policy, until: float | None) -> Scan:
        """The scan when it has ended, or as it is when there is no more time."""
        scan = self.scans.scan_of(digest)
        if policy.is_rollback:
            return scan
        begun = self.now().timestamp()
        if until is None:
            until = begun + _PATIENCE_SECONDS[policy.refuses]
        while scan.may_finish and self.now().timestamp() < until:
            waited = self.now().timestamp() - begun
            if scan.status == NOT_FOUND and not policy.refuses and waited >= _UNBEGUN_SECONDS:
                break
            if self.remaining_seconds() <= _POLL_SECONDS:
                # What is only information is worth no further call.
                if policy.refuses and self.call < MAX_CALLS:
                    raise AwaitScanError(until)
                break
            self.sleep(_POLL_SECONDS)
            scan = self.scans.scan_of(digest)
        return scan

    def _judge(self, scan: Scan, policy: Policy) -> Verdict:
        today = self._today()
        lowest = policy.refused if policy.refuses else REFUSABLE[-1]
        serious = scan.of_at_least(lowest)
        accepted = tuple(one for one in serious if policy.accepted.of(one.id, today))
        open_ = tuple(one for one in serious if one not in accepted)
        expired = tuple(
            entry for one in open_ if (entry := policy.accepted.expired(one.id, today)) is not None
        )
        refusal = ""
        if policy.refuses and open_:
            refusal = _refusal(open_, expired, policy.refused)
        elif policy.refuses and not serious and (number := scan.number_of_at_least(lowest)):
            # A list of a kind that is not known here, as Inspector's once was, is not an empty one.
            refusal = (
                f"ECR counts {number} findings that the word {_WORDS[lowest]} in Options refuses, "
                "and lists none of them in a form that is known here. The former image stays. Look "
                "at the image in ECR."
            )
        return Verdict(
            summary=summary(scan.findings),
            refusal=refusal,
            serious=open_,
            accepted=accepted,
            expired=expired,
        )

    def _today(self) -> date:
        return self.now().astimezone(UTC).date()


def _without_result(scan: Scan, policy: Policy) -> Verdict:
    described = f"{scan.status}: {scan.description}" if scan.description else scan.status
    said = f"The scan of the image has no result ({described.rstrip('.')})."
    if not policy.refuses:
        return Verdict("unknown", warning=said)
    help_ = _HELP.get(scan.status, _WAIT if scan.may_finish else "Look at the image in ECR.")
    word = _WORDS[policy.refused]
    return Verdict(
        "unknown",
        refusal=(
            f"{said} With the word {word} in Options only a scanned image is used; the former "
            f"image stays. {help_} Without the word the image is used."
        ),
    )


def _refusal(
    findings: tuple[Finding, ...], expired: tuple[AcceptedFinding, ...], severity: str
) -> str:
    reasons = [
        f"ECR's scan found what the word {_WORDS[severity]} in Options refuses: "
        f"{_listed([str(one) for one in findings])}.",
        "The former image stays.",
    ]
    if expired:
        dates = _listed([f"{entry.id} on {entry.expires}" for entry in expired])
        reasons.append(f"Expired in {FILE}: {dates}.")
    reasons.append(
        "Set PYTHON_IMAGE in images/airflow/Dockerfile to a newer base image by its digest, use a "
        f"newer package, or accept a finding in {FILE} with id, reason and expires. Then deploy "
        "again."
    )
    return " ".join(reasons)


def _listed(items: list[str]) -> str:
    """As many items as there is room for, and the number of the others."""
    shown: list[str] = []
    room = _LISTED_CHARACTERS
    for item in items:
        text = item if len(item) <= _LONGEST_ITEM else f"{item[: _LONGEST_ITEM - 1]}…"
        room -= len(text) + 2
        if room < 0:
            break
        shown.append(text)
    text = "; ".join(shown)
    others = len(items) - len(shown)
    return f"{text}; and {others} more, which are in the log" if others else text
