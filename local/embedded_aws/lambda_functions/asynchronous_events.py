"""Eight asynchronous events of a function run at once; the others wait for their turn.

Lambda starts an execution environment for each event that finds none free, up to the concurrency of
the account. So does ministack, and `aws s3 sync` of a hundred files starts a hundred Python
processes, which a laptop finishes after minutes. Requests that wait for an answer are not limited:
a function that invokes itself would wait for itself.
"""

import threading
from collections import defaultdict
from contextvars import ContextVar
from typing import Any

from ministack.services import lambda_svc

from embedded_aws.settings import Settings

MAX_AT_ONCE = 8

_asynchronous: ContextVar[bool] = ContextVar("_asynchronous", default=False)


def install(_settings: Settings) -> None:
    invoke, execute = lambda_svc.invoke_async_with_retry, lambda_svc._execute_function
    lock = threading.Lock()
    slots: dict[str, threading.BoundedSemaphore] = defaultdict(
        lambda: threading.BoundedSemaphore(MAX_AT_ONCE)
    )

    def invoke_async_with_retry(func: dict[str, Any], event: Any) -> None:
        # ministack starts a thread with a copy of this context.
        token = _asynchronous.set(True)
        try:
            invoke(func, event)
        finally:
            _asynchronous.reset(token)

    def execute_function(func: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        if not _asynchronous.get():
            return execute(func, *arguments, **named)
        with lock:
            slot = slots[(func.get("config") or func)["FunctionArn"]]
        with slot:
            return execute(func, *arguments, **named)

    lambda_svc.invoke_async_with_retry = invoke_async_with_retry
    lambda_svc._execute_function = execute_function
