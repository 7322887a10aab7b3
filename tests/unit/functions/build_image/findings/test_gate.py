"""The gate: the scan is awaited, and decides only where Options asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from build_image.budget import MAX_CALLS
from build_image.errors import ImageBuildError
from build_image.findings.accepted import AcceptedFindingsError
from build_image.findings.gate import AwaitScanError, Gate, Policy, Verdict
from build_image.findings.model import NOT_FOUND, UNREADABLE, Finding, Package, Scan, merged
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.errors import AccessDeniedError, AwsCallError

DIGEST = "sha256:abc"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPENSSL = Package("openssl", "3.0.15-1", "3.0.16-1")
CRITICAL = Finding("CVE-2026-1", "CRITICAL", (OPENSSL,))
HIGH = Finding("CVE-2026-2", "HIGH", (Package("zlib1g", "1.3"),))
MEDIUM = Finding("CVE-2026-3", "MEDIUM")
UNDEFINED = Finding("CVE-2026-4", "UNDEFINED")
RUNNING = Scan("IN_PROGRESS")


def complete(*findings: Finding) -> Scan:
    return Scan("COMPLETE", has_result=True, findings=findings)


@dataclass
class World:
    """Scans that follow each other, a stack, a clock, and the list of accepted findings."""

    file: Path
    scans: list[Scan | Exception] = field(default_factory=list)
    rolling_back: bool = False
    asked: list[str] = field(default_factory=list)
    passed: float = 0
    call: int = 1
    call_seconds: float = 10_000

    def scan_of(self, digest: str) -> Scan:
        assert digest == DIGEST
        found = self.scans.pop(0) if len(self.scans) > 1 else self.scans[0]
        if isinstance(found, Exception):
            raise found
        return found

    def is_rolling_back(self, stack_id: str) -> bool:
        self.asked.append(stack_id)
        return self.rolling_back

    def wait(self, seconds: float) -> None:
        self.passed += seconds

    @property
    def gate(self) -> Gate:
        return Gate(
            scans=self,
            stacks=self,
            accepted_file=self.file,
            remaining_seconds=lambda: self.call_seconds - self.passed,
            call=self.call,
            now=lambda: NOW + timedelta(seconds=self.passed),
            sleep=self.wait,
        )

    def verdict(self, refused: str = "none", kind: str = "Create") -> Verdict:
        gate = self.gate
        return gate.check(DIGEST, gate.policy(request(kind, RefusedFindings=refused)))

    def accept(self, id_: str, expires: str = "2026-06-01") -> None:
        with self.file.open("a") as out:
            out.write(f'[[finding]]\nid = "{id_}"\nreason = "Known."\nexpires = {expires}\n')


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "accepted-findings.toml")


def request(kind: str = "Create", **properties: str) -> CustomResourceRequest:
    return CustomResourceRequest.from_event(
        {
            "RequestType": kind,
            "RequestId": "1",
            "StackId": "stack",
            "LogicalResourceId": "Image",
            "ResourceType": "Custom::AirflowImage",
            "PhysicalResourceId": "Image",
            "ResponseURL": "https://example.com",
            "ResourceProperties": properties,
            "OldResourceProperties": {},
        }
    )


def test_findings_are_counted_and_refuse_nothing_where_no_word_says_so(world: World) -> None:
    world.scans = [complete(CRITICAL, HIGH, MEDIUM, UNDEFINED)]

    verdict = world.verdict()

    assert verdict.summary == "CRITICAL 1, HIGH 1, MEDIUM 1, UNDEFINED 1"
    assert verdict.serious == (CRITICAL, HIGH)
    assert (verdict.refusal, verdict.warning) == ("", "")


@pytest.mark.parametrize(
    ("refused", "findings", "is_refused"),
    [
        ("CRITICAL", [CRITICAL], True),
        ("CRITICAL", [HIGH, MEDIUM, UNDEFINED], False),
        ("HIGH", [CRITICAL], True),
        ("HIGH", [HIGH], True),
        ("HIGH", [MEDIUM, UNDEFINED], False),
        ("HIGH", [], False),
    ],
)
def test_findings_of_the_severity_and_above_refuse_the_image(
    world: World, refused: str, findings: Sequence[Finding], is_refused: bool
) -> None:
    world.scans = [complete(*findings)]

    assert bool(world.verdict(refused).refusal) == is_refused


def test_refusal_lists_the_findings_and_says_what_to_do(world: World) -> None:
    world.scans = [complete(CRITICAL, HIGH, MEDIUM)]

    refusal = world.verdict("HIGH").refusal

    assert "what the word refuse-high in Options refuses" in refusal
    assert (
        "CVE-2026-1 (CRITICAL): openssl 3.0.15-1 (fixed in 3.0.16-1); "
        "CVE-2026-2 (HIGH): zlib1g 1.3." in refusal
    )
    assert "CVE-2026-3" not in refusal
    assert "The former image stays." in refusal
    assert "PYTHON_IMAGE in images/airflow/Dockerfile" in refusal
    assert "accept a finding in images/airflow/user/accepted-findings.toml" in refusal


def test_long_list_is_cut_and_the_rest_is_counted(world: World) -> None:
    findings = [
        Finding(f"CVE-2026-{number:05}", "CRITICAL", (Package("p" * 900, "1"),))
        for number in range(400)
    ]
    world.scans = [complete(*findings)]

    verdict = world.verdict("CRITICAL")

    # CloudFormation takes 4,096 bytes with everything else.
    assert len(verdict.refusal.encode()) < 3000
    assert "CVE-2026-00000" in verdict.refusal
    assert "and 395 more, which are in the log" in verdict.refusal
    assert len(verdict.serious) == 400


def test_accepted_finding_refuses_nothing(world: World) -> None:
    world.scans = [complete(CRITICAL, HIGH)]
    world.accept("CVE-2026-1")

    assert "CVE-2026-1" not in world.verdict("HIGH").refusal
    world.accept("CVE-2026-2")
    verdict = world.verdict("HIGH")

    assert (verdict.refusal, verdict.serious) == ("", ())
    assert verdict.accepted == (CRITICAL, HIGH)
    assert verdict.summary == "CRITICAL 1, HIGH 1"


def test_expired_entry_no_longer_counts_and_the_reason_says_so(world: World) -> None:
    world.scans = [complete(CRITICAL)]
    world.accept("CVE-2026-1", "2026-02-28")

    verdict = world.verdict("CRITICAL")

    assert (
        "Expired in images/airflow/user/accepted-findings.toml: CVE-2026-1 on 2026-02-28"
        in verdict.refusal
    )
    assert [entry.id for entry in verdict.expired] == ["CVE-2026-1"]


@pytest.mark.parametrize("refused", ["none", "HIGH"])
def test_list_that_cannot_be_read_refuses_before_the_build(world: World, refused: str) -> None:
    world.file.write_text("[[finding]]\n")

    with pytest.raises(AcceptedFindingsError, match="entry 1, line 1"):
        world.gate.policy(request(RefusedFindings=refused))


def test_severity_that_is_not_known_is_an_error(world: World) -> None:
    with pytest.raises(ImageBuildError, match="RefusedFindings is 'LOW', and must be CRITICAL"):
        world.gate.policy(request(RefusedFindings="LOW"))
    assert world.gate.policy(request()) == Policy("none")


@pytest.mark.parametrize("status", ["IN_PROGRESS", "PENDING", NOT_FOUND, UNREADABLE, "ACTIVE"])
@pytest.mark.parametrize("refused", ["none", "CRITICAL"])
def test_scan_is_awaited(world: World, status: str, refused: str) -> None:
    world.scans = [Scan(status), Scan(status), complete(CRITICAL)]

    verdict = world.verdict(refused)

    assert verdict.summary == "CRITICAL 1"
    assert bool(verdict.refusal) == (refused == "CRITICAL")
    assert world.passed == 6


@pytest.mark.parametrize("status", ["ACTIVE", "COMPLETE"])
def test_scan_counts_once_it_has_a_result(world: World, status: str) -> None:
    """Inspector has this status from the beginning, with an empty list of findings."""
    world.scans = [Scan(status), Scan(status), Scan(status, has_result=True)]

    assert world.verdict("CRITICAL") == Verdict("none")
    assert world.passed == 6
    world.scans = [Scan(status)]
    assert "has no result" in world.verdict("CRITICAL").refusal


def test_scan_that_does_not_end_refuses_the_image_or_is_a_warning(world: World) -> None:
    world.scans = [RUNNING]

    verdict = world.verdict("CRITICAL")
    assert world.passed == 900
    assert "The scan of the image has no result (IN_PROGRESS)" in verdict.refusal
    assert "With the word refuse-critical in Options only a scanned image is used" in (
        verdict.refusal
    )
    assert "is not built again" in verdict.refusal

    world.passed = 0
    verdict = world.verdict()
    assert world.passed == 120
    assert (verdict.summary, verdict.refusal) == ("unknown", "")
    assert "IN_PROGRESS" in verdict.warning


@pytest.mark.parametrize(
    ("status", "help_"),
    [
        ("FAILED", "start-image-scan"),
        ("UNSUPPORTED_IMAGE", "another one"),
        ("LIMIT_EXCEEDED", "tomorrow"),
        ("SCAN_ELIGIBILITY_EXPIRED", "Look at the image in ECR"),
        ("FINDINGS_UNAVAILABLE", "Look at the image in ECR"),
        ("IMAGE_SIZE_EXCEEDED", "Look at the image in ECR"),
        ("A_STATUS_OF_TOMORROW", "Look at the image in ECR"),
        ("", "Look at the image in ECR"),
    ],
)
def test_scan_without_a_result_refuses_at_once_or_is_a_warning(
    world: World, status: str, help_: str
) -> None:
    world.scans = [Scan(status, "A description of ECR.")]

    verdict = world.verdict("HIGH")

    assert f"({status}: A description of ECR)" in verdict.refusal
    assert help_ in verdict.refusal
    assert world.verdict().refusal == ""
    assert world.passed == 0


def test_image_that_is_never_scanned_refuses_with_what_to_do(world: World) -> None:
    world.scans = [Scan(NOT_FOUND)]

    assert "let the account's registry scan on push" in world.verdict("HIGH").refusal
    # As information it is not worth two minutes of every deployment.
    world.passed = 0
    assert NOT_FOUND in world.verdict().warning
    assert world.passed == 15


def test_findings_that_are_counted_and_not_listed_refuse_the_image(world: World) -> None:
    world.scans = [Scan("COMPLETE", has_result=True, counts={"CRITICAL": 2, "LOW": 5})]

    assert "ECR counts 2 findings" in world.verdict("HIGH").refusal
    assert world.verdict().refusal == ""
    world.scans = [Scan("COMPLETE", has_result=True, counts={"LOW": 5})]
    assert world.verdict("HIGH").refusal == ""


def test_another_call_goes_on_waiting_until_the_same_moment(world: World) -> None:
    world.scans = [RUNNING]
    world.call_seconds = 600
    gate = world.gate
    policy = gate.policy(request(RefusedFindings="CRITICAL"))

    with pytest.raises(AwaitScanError) as caught:
        gate.check(DIGEST, policy)
    assert world.passed < 600
    world.call, world.call_seconds = 2, 1500
    verdict = world.gate.check(DIGEST, policy, caught.value.until)

    assert verdict.refusal
    assert world.passed == 900


def test_last_call_decides(world: World) -> None:
    world.scans = [RUNNING]
    world.call, world.call_seconds = MAX_CALLS, 60

    assert "has no result" in world.verdict("CRITICAL").refusal
    assert world.passed < 60


def test_information_alone_needs_no_other_call(world: World) -> None:
    world.scans = [RUNNING]
    world.call_seconds = 20

    assert world.verdict().summary == "unknown"


def test_rollback_is_never_refused(world: World) -> None:
    """Neither by findings, nor by an entry that has expired or is wrong, nor by waiting."""
    world.rolling_back = True
    world.file.write_text("no TOML")

    for scan in (complete(CRITICAL), RUNNING, Scan("FAILED"), AwsCallError("No answer.")):
        world.scans = [scan]
        assert world.verdict("HIGH", "Update").refusal == ""
    assert world.passed == 0
    assert world.asked == ["stack"] * 4


def test_update_that_is_no_rollback_is_refused(world: World) -> None:
    world.scans = [complete(CRITICAL)]

    assert world.verdict("HIGH", "Update").refusal
    assert world.asked == ["stack"]


def test_creation_does_not_ask_for_a_rollback(world: World) -> None:
    world.rolling_back = True
    world.scans = [complete(CRITICAL)]

    assert world.verdict("HIGH").refusal
    assert world.asked == []


@pytest.mark.parametrize("error", [AwsCallError("No answer."), AccessDeniedError("Denied.")])
def test_call_that_fails_is_an_error_only_where_the_image_depends_on_it(
    world: World, error: Exception
) -> None:
    world.scans = [error]

    assert world.verdict() == Verdict("unknown", warning=str(error))
    with pytest.raises(type(error)):
        world.verdict("CRITICAL")


def test_findings_with_one_id_are_one_with_the_highest_severity() -> None:
    other = Package("libssl3", "3.0.15-1")

    found = merged(
        [
            MEDIUM,
            Finding("CVE-2026-1", "HIGH", (other,)),
            CRITICAL,
            Finding("CVE-2026-1", "LOW", (OPENSSL,)),
        ]
    )

    assert found == (Finding("CVE-2026-1", "CRITICAL", (other, OPENSSL)), MEDIUM)
