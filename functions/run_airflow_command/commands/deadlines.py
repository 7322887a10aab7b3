"""How long a command may take: pure arithmetic.

CloudFormation stops waiting after ServiceTimeout and then does not know the cause. So the task is
stopped well before: its end is an event like any other, and the answer contains exit code and log.
Only if ECS does not send that event in time is the request answered without it.

The sweep runs once a minute, and EventBridge Scheduler may be another minute late, so three minutes
lie between one moment and the next. A ServiceTimeout that is too short for that is divided.
"""

from datetime import datetime, timedelta

from run_airflow_command.commands.record import CommandRecord

# CloudFormation's default, which is also its maximum.
_DEFAULT_SERVICE_TIMEOUT = timedelta(hours=1)
_STOP_BEFORE_TIMEOUT = timedelta(minutes=6)
_ANSWER_BEFORE_TIMEOUT = timedelta(minutes=3)
# No one waits for a command of a direct call or a schedule, but it must not run for ever.
_LONGEST_COMMAND = timedelta(hours=12)
# A Fargate task starts in 20 to 90 s. The function's call and its two repetitions fit in, too.
_LONGEST_START = timedelta(minutes=10)
# After this CloudFormation ignores an answer.
_CLOUDFORMATION_GIVES_UP = timedelta(hours=1)


def service_timeout(record: CommandRecord) -> timedelta:
    text = str(record.request.properties.get("ServiceTimeout", "")) if record.request else ""
    return timedelta(seconds=int(text)) if text.isdecimal() else _DEFAULT_SERVICE_TIMEOUT


def start_by(record: CommandRecord) -> datetime:
    """When the task must have started."""
    return min(record.started_at + _LONGEST_START, stop_at(record))


def stop_at(record: CommandRecord) -> datetime:
    """When the task is stopped if it has not ended."""
    if record.request is None:
        return record.started_at + _LONGEST_COMMAND
    limit = service_timeout(record)
    return record.started_at + max(limit - _STOP_BEFORE_TIMEOUT, limit / 3)


def answer_at(record: CommandRecord) -> datetime:
    """When failure is reported to the caller, even if the task has not stopped yet."""
    if record.request is None:
        return stop_at(record) + _ANSWER_BEFORE_TIMEOUT
    limit = service_timeout(record)
    return record.started_at + max(limit - _ANSWER_BEFORE_TIMEOUT, limit * 2 / 3)


def is_forgotten(record: CommandRecord, now: datetime) -> bool:
    """Whether CloudFormation no longer waits for an answer."""
    return record.request is not None and now > record.started_at + _CLOUDFORMATION_GIVES_UP
