"""The concurrent executions of an account, and what happens to calls above the limit.

An account has 1,000 concurrent executions for all functions, a new one ten. A synchronous call
above the limit gets TooManyRequestsException. Lambda keeps an asynchronous one and tries it again
for up to six hours, at growing intervals; these tries do not count as the two retries of a function
that fails. A queue's batch is tried until its visibility time-out.

Reserved executions are taken from the limit, and at least 100 must stay unreserved; of ten, all.

ministack 1.5.33 derives the limit from the machine's memory, counts throttled tries as failures,
and reserves anything.
"""

import contextvars
import threading
import time
from collections.abc import Mapping
from typing import Any

from ministack.services import lambda_svc

from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.settings import Settings

_MOST_UNRESERVED_KEPT = 100
_MAX_AGE_SECONDS = 6 * 3600.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 300.0

# How long a throttled call of this context is tried again; 0 for a synchronous one.
_patience: contextvars.ContextVar[float] = contextvars.ContextVar("lambda_patience", default=0.0)
_acquiring = threading.Lock()


class ReservationError(ValueError):
    """Lambda would refuse the reserved concurrency."""


def install(settings: Settings) -> None:
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = settings.lambda_concurrency
    _share_what_is_not_reserved(settings.lambda_concurrency)
    _refuse_reservations(settings.lambda_concurrency)
    _try_throttled_calls_again()


def _share_what_is_not_reserved(limit: int) -> None:
    acquire = lambda_svc._acquire_execution_slot

    def acquire_of_the_pool(func: Any, config: Mapping[str, Any]) -> Any:
        with _acquiring:
            is_reserved = lambda_svc._reserved_concurrency(func, config) is not None
            if not is_reserved and _unreserved_in_flight() >= limit - _reserved():
                return None, "account"
            return acquire(func, config)

    lambda_svc._acquire_execution_slot = acquire_of_the_pool


def _reservations() -> dict[str, int]:
    return {
        lambda_svc._inflight_key(function["config"]): int(function["concurrency"])
        for function in list(lambda_svc._functions.values())
        if function.get("concurrency") is not None
    }


def _reserved(besides: str = "") -> int:
    return sum(count for key, count in _reservations().items() if key != besides)


def _unreserved_in_flight() -> int:
    reserved = _reservations()
    _total, by_function = lambda_svc.executions_in_flight()
    return sum(count for key, count in by_function.items() if key not in reserved)


def _refuse_reservations(limit: int) -> None:
    put = lambda_svc._put_function_concurrency

    def put_legal(name: str, data: dict[str, Any]) -> Any:
        problem = _problem(name, data.get("ReservedConcurrentExecutions", 0), limit)
        if problem:
            return lambda_svc.error_response_json("InvalidParameterValueException", problem, 400)
        return put(name, data)

    lambda_svc._put_function_concurrency = put_legal
    handlers = handlers_of("AWS::Lambda::Function")
    create, update = handlers["create"], handlers["update"]

    def create_legal(logical_id: str, properties: Properties, stack_name: str) -> Created:
        _check("", properties, limit)
        created: Created = create(logical_id, properties, stack_name)
        _reserve(created[0], properties)
        return created

    def update_legal(name: str, old: Properties, new: Properties, *more: str) -> Created:
        _check(name, new, limit)
        updated: Created = update(name, old, new, *more)
        _reserve(updated[0], new)
        return updated

    handlers.update(create=create_legal, update=update_legal)


def _check(name: str, properties: Properties, limit: int) -> None:
    if "ReservedConcurrentExecutions" in properties:
        problem = _problem(name, properties["ReservedConcurrentExecutions"], limit)
        if problem:
            raise ReservationError(f"{problem} (InvalidParameterValueException)")


def _reserve(name: str, properties: Properties) -> None:
    """ministack leaves the property out of the function that a template creates."""
    asked = properties.get("ReservedConcurrentExecutions")
    lambda_svc._functions[name]["concurrency"] = None if asked is None else int(asked)


def _problem(name: str, asked: Any, limit: int) -> str | None:
    function = lambda_svc._functions.get(name)
    key = lambda_svc._inflight_key(function["config"]) if function else ""
    least = min(_MOST_UNRESERVED_KEPT, limit)
    if int(asked) and limit - _reserved(besides=key) - int(asked) < least:
        return (
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{least}]."
        )
    return None


def _try_throttled_calls_again() -> None:
    execute = lambda_svc._execute_function
    invoke = lambda_svc.invoke_async_with_retry
    run_batch = lambda_svc._run_sqs_batch

    def execute_patiently(func: dict[str, Any], event: Any) -> Any:
        deadline = time.monotonic() + _patience.get()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            result = execute(func, event)
            if not result.get("throttle") or time.monotonic() + pause > deadline:
                return result
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def invoke_patiently(func: dict[str, Any], event: Any) -> None:
        # The thread that makes the call copies the context.
        token = _patience.set(_max_age(func))
        try:
            invoke(func, event)
        finally:
            _patience.reset(token)

    def run_batch_patiently(*arguments: Any) -> None:
        token = _patience.set(_visibility(arguments[4]))
        try:
            run_batch(*arguments)
        finally:
            _patience.reset(token)

    lambda_svc._execute_function = execute_patiently
    lambda_svc.invoke_async_with_retry = invoke_patiently
    lambda_svc._run_sqs_batch = run_batch_patiently


def _max_age(func: Mapping[str, Any]) -> float:
    configured = func.get("event_invoke_config") or {}
    return float(configured.get("MaximumEventAgeInSeconds") or _MAX_AGE_SECONDS)


def _visibility(queue_url: str) -> float:
    from ministack.services import sqs

    return float(sqs._get_q(queue_url)["attributes"].get("VisibilityTimeout", 30))
