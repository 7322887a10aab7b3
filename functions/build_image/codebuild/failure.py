"""Why a build failed, for the person who deploys: the phase, and the last lines of its log."""

import json
import re
from collections.abc import Sequence

from build_image.codebuild.builds import Build

# CloudFormation's reason has room for 4 KB with everything else in it.
_MAX_LINES = 20
_MAX_BYTES = 2400
_MAX_LINE = 300
# What the agent of CodeBuild writes about itself. It follows the line that matters.
_AGENT = "[Container] "
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SECRETS = (
    # https://user:password@index
    (re.compile(r"(\w://)[^/\s@]+@"), r"\1***@"),
    # Signed addresses, and temporary keys of AWS.
    (re.compile(r"(?i)(X-Amz-(?:Signature|Security-Token|Credential))=[^&\s\"']+"), r"\1=***"),
    (re.compile(r"\bA[KS]IA[0-9A-Z]{16}\b"), "***"),
    (
        re.compile(
            r"(?i)(\b[\w-]*(?:password|passwd|secret|token|api_?key|access_?key)[\w-]*"
            r"[\"']?\s*[=:]\s*)[^\s,;]+"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)(authorization:\s*\w+\s+)\S+"), r"\1***"),
)

_ADVICE = {
    "STOPPED": "It was stopped by hand or by another deployment: deploy again.",
    "TIMED_OUT": (
        "Deploy again. If it happens again, remove what takes long from the Dockerfile or from the "
        "packages."
    ),
    "FAULT": "CodeBuild itself failed: deploy again.",
}


def reason(build: Build, lines: Sequence[str]) -> str:
    """The sentences about a build that did not succeed."""
    how = {"STOPPED": "was stopped", "TIMED_OUT": "ran out of time", "FAULT": "failed"}
    said = f"The build {build.id} in CodeBuild {how.get(build.status, 'failed')}"
    if build.phase:
        said += f" in the phase {build.phase}"
    if build.message:
        said += f" ({_shortened(_clean(build.message)).rstrip('.')})"
    said += "."
    if advice := _ADVICE.get(build.status):
        said += f" {advice}"
    if shown := last_lines(lines):
        return f"{said} The former image stays. The last lines of its log:\n" + "\n".join(shown)
    where = f" (log group {build.log_group})" if build.log_group else ""
    return f"{said} The former image stays. It has no log{where}."


def last_lines(lines: Sequence[str]) -> list[str]:
    """The last lines that say something, as many as fit, without what may be secret."""
    kept: list[str] = []
    room = _MAX_BYTES
    # An event of the log may have several lines.
    for line in reversed("\n".join(lines).splitlines()):
        text = _clean(line)
        if not text or text.startswith(_AGENT):
            continue
        text = _shortened(text)
        room -= len(json.dumps(text, ensure_ascii=False).encode())
        if room < 0 or len(kept) == _MAX_LINES:
            break
        kept.append(text)
    return kept[::-1]


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_LINE else f"{text[: _MAX_LINE - 1]}…"


def _clean(line: str) -> str:
    text = _CONTROL.sub("", _COLOURS.sub("", line)).rstrip()
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
