"""`FOLDER [unpatched]`: shows files that stay out of the release, then parses the folder.

Prints as JSON which import errors were removed meanwhile, and what Airflow's API lists then. The
paths and reasons are in FOLDER's sibling `exclusions.json`.
"""

import json
import os
import sys
from pathlib import Path

from airflow.api_fastapi.app import create_app
from airflow.dag_processing.manager import DagFileProcessorManager
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from fastapi.testclient import TestClient
from sqlalchemy import select, text

from airflow_on_fargate import patches
from airflow_on_fargate.releases.usage import AirflowDatabase

# Every removal of an import error that says why a file stays out.
AUDIT = """
CREATE TABLE removed (filename text);
CREATE FUNCTION note() RETURNS trigger AS $$
BEGIN
    IF OLD.stacktrace LIKE '%Left out%' THEN INSERT INTO removed VALUES (OLD.filename); END IF;
    RETURN NULL;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER note AFTER DELETE ON import_error FOR EACH ROW EXECUTE FUNCTION note();
"""


def listed() -> dict[str, str]:
    """The import errors of the API: file → text."""
    client = TestClient(create_app(apps="core"))
    token = client.get("/auth/token").json()["access_token"]
    answer = client.get("/api/v2/importErrors", headers={"Authorization": f"Bearer {token}"})
    errors = answer.json()["import_errors"]
    return {error["filename"]: error["stack_trace"] for error in errors}


def main() -> None:
    """Show, parse and print."""
    exclusions = json.loads(Path(sys.argv[1], "exclusions.json").read_text())
    initdb()
    if "unpatched" not in sys.argv:
        patches.apply_for("dag-processor")
    with create_session() as session:
        session.merge(DagBundleModel(name="folder"))
        session.execute(text(AUDIT))
    AirflowDatabase("folder").show_exclusions(exclusions)
    DagFileProcessorManager(max_runs=2).run()
    with create_session() as session:
        removed = list(session.scalars(text("SELECT filename FROM removed ORDER BY filename")))
        stale = dict(session.execute(select(DagModel.dag_id, DagModel.is_stale)).all())
    print(json.dumps({"removed": removed, "listed": listed(), "stale": stale}), flush=True)
    # Not Airflow's handlers at exit, which may print.
    os._exit(0)


if __name__ == "__main__":
    main()
