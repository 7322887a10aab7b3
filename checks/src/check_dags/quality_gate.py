"""The quality gate of SonarQube or SonarCloud, for the commit that is checked.

The gate belongs to an analysis, and the newest one may be of another commit: then the gate says
nothing about this one. So the analysis of this commit is awaited first.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from check_dags.findings import CheckResult, Finding, Level
from check_dags.settings import QualityGateSettings

_NAME = "quality-gate"
_REQUEST_SECONDS = 30.0
_PAUSE_SECONDS = 5.0


class GateDownError(Exception):
    """The service does not answer, or not as documented."""


class GateRefusedError(Exception):
    """The service answers that the request is wrong: a token, a project, a permission."""


@dataclass(frozen=True)
class QualityGate:
    """`commit` is the full hash; without one the newest analysis counts."""

    settings: QualityGateSettings
    token: str
    commit: str = ""
    sleep: Callable[[float], None] = time.sleep
    pause_seconds: float = _PAUSE_SECONDS

    def check(self) -> CheckResult:
        settings = self.settings
        if not settings.project:
            return CheckResult(_NAME, skipped="the settings name no project")
        if not self.token:
            return self._failed(
                "quality-gate-token", f"the variable {settings.token_variable} is not set"
            )
        try:
            if self.commit:
                self._await_analysis()
            return self._result(self._status())
        except GateRefusedError as error:
            return self._failed("quality-gate-refused", str(error))
        except GateDownError as error:
            down = settings.when_down == "warn"
            level = Level.WARNING if down else Level.ERROR
            return self._failed("quality-gate-down", str(error), level)

    def _await_analysis(self) -> None:
        deadline = time.monotonic() + self.settings.wait_seconds
        query = {"project": self.settings.project, "ps": "20", **self._branch()}
        while True:
            answer = self._get("api/project_analyses/search", query)
            analyses = answer.get("analyses")
            if not isinstance(analyses, list):
                raise GateDownError(f"{self.settings.url} did not answer with analyses")
            revisions = [str(each.get("revision", "")) for each in analyses]
            if self.commit == (revisions or [""])[0]:
                return
            if time.monotonic() >= deadline:
                newest = revisions[0] if revisions else "none"
                raise GateRefusedError(
                    f"no analysis of the commit {self.commit} became the newest one within "
                    f"{self.settings.wait_seconds:g} s (the newest is of {newest or 'no commit'})"
                )
            self.sleep(self.pause_seconds)

    def _status(self) -> Mapping[str, Any]:
        query = {"projectKey": self.settings.project, **self._branch()}
        status = self._get("api/qualitygates/project_status", query).get("projectStatus")
        if not isinstance(status, dict) or "status" not in status:
            raise GateDownError(f"{self.settings.url} did not answer with the gate's status")
        return status

    def _branch(self) -> dict[str, str]:
        return {"branch": self.settings.branch} if self.settings.branch else {}

    def _result(self, status: Mapping[str, Any]) -> CheckResult:
        # OK, WARN (of old servers), ERROR; NONE: the project has no gate or no analysis.
        if status["status"] == "OK":
            return CheckResult(_NAME, "the gate is passed")
        findings = [
            Finding(
                f"quality-gate-{each.get('metricKey', '')}",
                f"{each.get('metricKey')} is {each.get('actualValue', 'unknown')}, and the gate "
                f"refuses {each.get('comparator', '')} {each.get('errorThreshold', '')}".rstrip(),
            )
            for each in status.get("conditions", ())
            if each.get("status") == "ERROR"
        ]
        message = f"the gate of {self.settings.project} is {status['status']}"
        return CheckResult(_NAME, message, findings or [Finding("quality-gate", message)])

    def _failed(self, rule: str, message: str, level: Level = Level.ERROR) -> CheckResult:
        return CheckResult(_NAME, findings=[Finding(rule, message, level=level)])

    def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self.settings.url.rstrip('/')}/{path}?{urllib.parse.urlencode(query)}"
        if not url.startswith(("https://", "http://")):
            raise GateRefusedError(f"{self.settings.url} is not an address of a web server")
        request = urllib.request.Request(  # noqa: S310  # checked above
            url, headers={"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as response:  # noqa: S310
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise _answered(self.settings.url, error) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise GateDownError(f"{self.settings.url} does not answer: {reason}") from error
        if not isinstance(answer, dict):
            raise GateDownError(f"{self.settings.url} did not answer with an object")
        return answer


def _answered(url: str, error: urllib.error.HTTPError) -> Exception:
    """401: no such token. 403: it may not see the project. 404: no such project or branch."""
    if error.code == 401:
        return GateRefusedError(f"{url} does not accept the token (401)")
    text = _messages(error)
    if 400 <= error.code < 500 and error.code != 429:
        return GateRefusedError(f"{url} refuses the request ({error.code}): {text}")
    return GateDownError(f"{url} answers with {error.code}: {text}")


def _messages(error: urllib.error.HTTPError) -> str:
    try:
        return "; ".join(each["msg"] for each in json.load(error)["errors"])
    except (OSError, ValueError, KeyError, TypeError):
        return str(error.reason)
