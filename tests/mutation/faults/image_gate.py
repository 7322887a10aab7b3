"""Faults in what refuses an image because of its scan."""

from tests.mutation.mutant import Mutant

_FOLDER = "functions/build_image"
_GATE = f"{_FOLDER}/findings/gate.py"
_MODEL = f"{_FOLDER}/findings/model.py"
_ACCEPTED = f"{_FOLDER}/findings/accepted.py"
_SCANS = f"{_FOLDER}/aws/ecr_scans.py"

FAULTS = (
    Mutant(
        "scan-by-inspector-without-a-result",
        _MODEL,
        "return self.status in _WITH_RESULT and (self.has_result or bool(self.findings))",
        "return self.status in _WITH_RESULT",
        "an image that Inspector has not looked at yet counts as one without findings",
    ),
    Mutant(
        "scan-not-awaited",
        _GATE,
        "        while scan.may_finish and self.now().timestamp() < until:\n",
        "        while False:\n",
        "every new image is refused, or deployed without its scan",
    ),
    Mutant(
        "failed-scan-accepted",
        _GATE,
        "        if not scan.is_finished:\n",
        "        if scan.may_finish:\n",
        "an image that ECR could not scan counts as one without findings",
    ),
    Mutant(
        "failed-call-accepted",
        _GATE,
        "            if policy.refuses:\n                raise\n",
        "            if False:\n                raise\n",
        "an image whose scan cannot be read is used although a word asks for its scan",
    ),
    Mutant(
        "findings-in-an-unknown-list",
        _GATE,
        "elif policy.refuses and not serious and (number :=",
        "elif False and (number :=",
        "findings that ECR counts in a new form are taken for none",
    ),
    Mutant(
        "rollback-refused",
        _GATE,
        'if request.request_type == "Update" and self.stacks.is_rolling_back(request.stack_id):',
        "if False:",
        "a rollback to an image with a new finding ends in UPDATE_ROLLBACK_FAILED",
    ),
    Mutant(
        "every-update-is-a-rollback",
        _GATE,
        'if request.request_type == "Update" and self.stacks.is_rolling_back(request.stack_id):',
        'if request.request_type == "Update":',
        "only the first image of a stack is ever refused",
    ),
    Mutant(
        "high-without-critical",
        _MODEL,
        "for one in self.findings if _rank(one.severity) <= _rank(severity))",
        "for one in self.findings if one.severity == severity)",
        "refuse-high lets critical findings pass",
    ),
    Mutant(
        "lowest-severity-of-a-finding",
        _MODEL,
        "severities[finding.id] = min(former, finding.severity, key=_rank)",
        "severities[finding.id] = max(former, finding.severity, key=_rank)",
        "a finding that is critical in one package counts as low because of another",
    ),
    Mutant(
        "endless-acceptance",
        _ACCEPTED,
        "        return entry if entry and entry.expires >= today else None\n",
        "        return entry\n",
        "an entry of the list counts for ever",
    ),
    Mutant(
        "end-in-ten-years",
        _ACCEPTED,
        "    if last > today + timedelta(days=MAX_DAYS):\n",
        "    if False:\n",
        "findings are accepted until a day that nobody will see",
    ),
    Mutant(
        "unknown-key-of-an-entry",
        _ACCEPTED,
        "    if unknown := sorted(set(entry) - set(_KEYS)):\n",
        "    if unknown := []:\n",
        "a key that is written wrongly is ignored",
    ),
    Mutant(
        "first-page-of-findings",
        _SCANS,
        "            findings += _basic(",
        "            findings = findings or list(_basic(found.get('findings') or ()))\n"
        "            continue\n            findings += _basic(",
        "findings after the first thousand, and all of Inspector's, are not seen",
    ),
    Mutant(
        "suppressed-by-inspector",
        _SCANS,
        'if finding.get("status") == "CLOSED":',
        'if finding.get("status") != "ACTIVE":',
        "a rule of Inspector accepts findings without a reason and without an end",
    ),
    Mutant(
        "endless-waiting",
        f"{_FOLDER}/handler.py",
        "until = error.until if isinstance(error, AwaitScanError) else None",
        "until = None",
        "each call of the function begins its own wait for the scan",
    ),
    Mutant(
        "acceptance-builds-an-image",
        f"{_FOLDER}/source.py",
        "self.packages_key(), self.code_key(), self.user_key()",
        'self.packages_key(), self.code_key(), self._tree("user", self.folder / "user")',
        "a change of the list of accepted findings builds an image and restarts everything",
    ),
    Mutant(
        "findings-of-the-account",
        "nested/image.yaml",
        "                Condition: {Bool: {aws:ViaAWSService: 'true'}}\n",
        "",
        "the builder reads the findings of everything in the account",
    ),
    Mutant(
        "words-without-a-gate",
        "template.yaml",
        "RefusedFindings: !If [HasRefuseHigh, HIGH, !If [HasRefuseCritical, CRITICAL, none]]",
        "RefusedFindings: none",
        "refuse-critical and refuse-high do nothing",
    ),
)
