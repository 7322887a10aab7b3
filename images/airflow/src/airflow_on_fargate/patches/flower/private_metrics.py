"""Close Flower's metrics.

Not a correction: /metrics is open in Flower, for scrapers that cannot sign in. It names the workers
and the types of tasks, and here everybody who reaches the load balancer could read it. Nothing in
this stack does. Everything else of Flower asks for the password, except its health check.
"""

from airflow_on_fargate.patches import require


def apply() -> None:
    """Remove the route; Flower then answers that there is no such page."""
    require("flower", "2.2.0")
    from flower import urls  # type: ignore[import-untyped]

    urls.handlers[:] = [each for each in urls.handlers if _pattern(each) != "/metrics"]


def _pattern(handler: object) -> str:
    # A route is a tuple, or an object of Tornado.
    return str(handler[0]) if isinstance(handler, tuple) else ""
