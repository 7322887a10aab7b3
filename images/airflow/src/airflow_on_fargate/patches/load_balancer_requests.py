"""Put `api_server.load_balancer` in front of Airflow's API.

Not a correction: Airflow has no setting for it. A plugin can add a middleware, but a plugin that
cannot be loaded is only logged, and the API would be open.
"""

import os
from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Surround every app that this process makes."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.api_fastapi import app

    replace(app, "create_app", _surrounded)


def _surrounded(original: Any) -> Any:
    def create_app(*arguments: Any, **named: Any) -> Any:
        from airflow_on_fargate.api_server.load_balancer import LoadBalancerMiddleware

        made = original(*arguments, **named)
        # Added last, so it is the outermost.
        base_url = os.environ.get("AIRFLOW__API__BASE_URL", "")
        made.add_middleware(LoadBalancerMiddleware, base_url=base_url)
        return made

    return create_app
