"""Tests of the in-image package. They need the Airflow environment
(images/airflow/requirements.lock and pytest), and neither network nor database.

Airflow reads its configuration, and writes one, at import: give it a home of its own before that.
"""

import os
import sys
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="airflow-home-"))

for name in [name for name in os.environ if name.startswith(("AIRFLOW", "AWS_", "ECS_"))]:
    del os.environ[name]
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(HOME / "dag_bundles"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
)

# pytest's importlib mode does not find helpers beside the tests.
sys.path.append(str(Path(__file__).parent / "rotation"))
