"""Put `api_server.load_balancer` and `api_server.sign_in_limit` in front of Airflow's API.

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
        from airflow.configuration import conf

        from airflow_on_fargate.api_server.load_balancer import LoadBalancerMiddleware
        from airflow_on_fargate.api_server.sign_in_limit import SignInLimitMiddleware

        made = original(*arguments, **named)
        made.add_middleware(SignInLimitMiddleware)
        # Added last, so it is the outermost: it says who the client is.
        made.add_middleware(
            LoadBalancerMiddleware,
            base_url=os.environ.get("AIRFLOW__API__BASE_URL", ""),
            hops=int(os.environ.get("FORWARDED_HOPS", "1")),
            with_descriptions=conf.getboolean("api", "enable_swagger_ui"),
        )
        return made

    return create_app
