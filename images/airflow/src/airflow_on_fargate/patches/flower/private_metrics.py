"""Close Flower's metrics.

Everything of Flower asks for the password, except its health check and /metrics, which names the
workers and the types of tasks. Nothing here reads the metrics. No upstream report is known: there
it is meant for scrapers that cannot sign in.
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
