#!/usr/bin/env bash
# Check the folder DAGS of the project in the current folder: what CodeBuild and GitHub Actions run.
#
# AIRFLOW_IMAGE   the image in which the DAGs will run. The checks then run in a container of it, which has none of
#                 the credentials of the build.
# Without it: AIRFLOW_PYTHON, an interpreter with the image's packages, and IMAGE_SOURCE, what the image adds to them.
# CHECKS_PYTHON   an interpreter with the tools of the checks; without it they are installed from their lock.
# COMMIT, SONAR_TOKEN, CHECK_OPTIONS, REPORTS (the folder of the reports, by default `reports`) are passed on.
set -euo pipefail

checks=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
reports=${REPORTS:-$PWD/reports}
dags=${DAGS:-dags}

if [ -n "${AIRFLOW_IMAGE:-}" ]; then
    mkdir -p "$reports"
    # The user of the image writes here.
    chmod a+rwx "$reports"
    exec docker run --rm --entrypoint bash --volume "$(dirname "$checks"):/source:ro" --volume "$PWD:/project:ro" \
        --volume "$reports:/reports" --workdir /project --env DAGS --env COMMIT --env SONAR_TOKEN \
        --env CHECK_OPTIONS --env REPORTS=/reports "$AIRFLOW_IMAGE" /source/checks/pipeline/check.sh
fi

airflow=${AIRFLOW_PYTHON:-/opt/venv/bin/python}
tools=${CHECKS_PYTHON:-}
if [ -z "$tools" ]; then
    # An environment of its own: the image's packages stay as they are.
    base=$("$airflow" -c 'import sys; print(sys._base_executable)')
    folder=$(mktemp -d)
    "$base" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
        --only-binary :all: --requirement "$checks/requirements.lock"
    tools=$folder/bin/python
fi

read -r -a options <<< "${CHECK_OPTIONS:-}"
PYTHONPATH=$checks/src exec "$tools" -m check_dags "$dags" --python "$airflow" \
    --image-source "${IMAGE_SOURCE:-/opt/airflow-on-fargate}" --commit "${COMMIT:-}" \
    --junit "$reports/checks.xml" --sarif "$reports/checks.sarif" "${options[@]}"
