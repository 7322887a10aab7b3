"""Call this function again."""

import json
from collections.abc import Mapping
from typing import Any

from shared.aws.named_errors import named_errors


class LambdaContinuation:
    def __init__(self, lambda_: Any, function_name: str) -> None:
        self._lambda = lambda_
        self._function_name = function_name

    def call(self, event: Mapping[str, Any]) -> None:
        with named_errors("call the function again"):
            self._lambda.invoke(
                FunctionName=self._function_name,
                InvocationType="Event",
                Payload=json.dumps(event).encode(),
            )
