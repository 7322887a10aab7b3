"""Keep a task from running any function in the triggerer.

A task that defers sends a class path and arguments to the execution API, which stores them as they
are. The triggerer imports the path and calls what it finds with the arguments, so that
`subprocess.check_output` is a trigger too, and runs with the triggerer's database URL and Fernet
key. `CallbackTrigger`, which is for callbacks of deadlines, calls the function that an argument
names. Here a trigger is a subclass of BaseTrigger, and a task cannot use CallbackTrigger. A trigger
that is refused fails, with the reason, and its task with it; the others run on. The text of a
report is docs/upstream/trigger-classes.md. No upstream report is known.
"""

from collections.abc import AsyncIterator
from typing import Any

from airflow_on_fargate.patches import replace, require


class RefusedTriggerError(Exception):
    """A task asked for something that is not a trigger of a task."""


def apply() -> None:
    """Check what a class path names, and whose trigger it is."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.jobs.triggerer_job_runner import TriggerRunner
    from airflow.triggers.callback import CallbackTrigger

    replace(TriggerRunner, "get_trigger_by_classpath", _only_triggers)
    replace(CallbackTrigger, "run", _not_for_tasks)


def _only_triggers(original: Any) -> Any:
    def get_trigger_by_classpath(self: Any, classpath: str) -> Any:
        from airflow.triggers.base import BaseTrigger

        found = original(self, classpath)
        if not (isinstance(found, type) and issubclass(found, BaseTrigger)):
            del self.trigger_cache[classpath]
            raise RefusedTriggerError(
                f"The task deferred to {classpath!r}, which is not a subclass of "
                "airflow.triggers.base.BaseTrigger: the triggerer runs triggers only"
            )
        return found

    return get_trigger_by_classpath


def _not_for_tasks(original: Any) -> Any:
    async def run(self: Any) -> AsyncIterator[Any]:
        if getattr(self, "task_instance", None) is not None:
            raise RefusedTriggerError(
                "The task deferred to CallbackTrigger, which runs callbacks of deadlines only"
            )
        async for event in original(self):
            yield event

    return run
