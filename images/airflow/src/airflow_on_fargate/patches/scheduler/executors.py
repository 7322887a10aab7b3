"""The executors beside Celery are written for one version of their provider.

Not a correction: `airflow_on_fargate.executors` has subclasses, which override private methods.
This makes another version of the provider stop the build of the image.
"""

from airflow_on_fargate.patches import require


def apply() -> None:
    """Check the version; the classes are imported where they are used only."""
    require("apache-airflow-providers-amazon", "9.39.0")
