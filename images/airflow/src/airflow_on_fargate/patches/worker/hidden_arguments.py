"""Leave the arguments of tasks out of a worker's answers to remote control.

Not a correction: `inspect active` shows them. The argument of Airflow's task has the token with
which the task calls the execution API, and Flower asks each worker what it runs. With SQS there is
no remote control.
"""

from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Show the text that the message has for this purpose (`celery.broker.hide_arguments`)."""
    require("celery", "5.6.3")
    from celery.worker.request import Request

    replace(Request, "info", _showing_the_text)


def _showing_the_text(original: Any) -> Any:
    def info(self: Any, safe: bool = False) -> Any:
        return original(self, safe=True)

    return info
