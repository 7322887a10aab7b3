#!/usr/bin/env bash
# Write what the folder DAGS would change in the bucket DAG_BUCKET_NAME to the file PREVIEW, as Markdown. AIRFLOW_PYTHON
# is an interpreter with boto3 and pathspec. It runs nothing of the project.
set -euo pipefail

checks=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHONPATH=$checks/src "${AIRFLOW_PYTHON:-/opt/venv/bin/python}" -m release_dags preview "${DAGS:-dags}" \
    --bucket "$DAG_BUCKET_NAME" --dag-releases "${DAG_RELEASES:-{\}}" --name "${ENVIRONMENT:-$DAG_BUCKET_NAME}" \
    > "${PREVIEW:?}"
