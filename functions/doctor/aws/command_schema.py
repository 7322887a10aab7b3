"""Airflow's own check of the schema."""

import json
import time
from collections.abc import Callable
from typing import Any

from doctor.ports import SchemaAnswer
from shared.aws.named_errors import named_errors

_COMMAND = ["db", "check-migrations", "--migration-wait-timeout", "5"]
_POLL_SECONDS = 5
_ENDED = ("SUCCEEDED", "FAILED", "NOT_STARTED", "REFUSED")


class CommandSchema:
    """Through the function that runs commands, which starts at most one task for a request."""

    def __init__(
        self,
        client: Any,
        function_name: str,
        request_id: str,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._function_name = function_name
        self._request_id = request_id
        self._sleep = sleep
        self._monotonic = monotonic

    def check(self, seconds: float) -> SchemaAnswer:
        until = self._monotonic() + seconds
        answer = self._call({"command": _COMMAND, "requestId": self._request_id})
        while answer.get("status") not in _ENDED:
            if self._monotonic() > until:
                return SchemaAnswer(None, "")
            self._sleep(_POLL_SECONDS)
            answer = self._call({"requestId": self._request_id})
        # A task that never ran has no exit code.
        code = answer.get("exitCode")
        return SchemaAnswer(
            exit_code=1 if code is None else code,
            reason=answer.get("reason", answer.get("message", "")),
            refused=answer["status"] == "REFUSED",
        )

    def _call(self, event: dict[str, Any]) -> dict[str, Any]:
        with named_errors("call the function that runs commands"):
            answer = self._client.invoke(
                FunctionName=self._function_name, Payload=json.dumps(event).encode()
            )
            content = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            return {"status": "REFUSED", "reason": str(content.get("errorMessage", content))}
        found: dict[str, Any] = content
        return found
