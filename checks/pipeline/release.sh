#!/usr/bin/env bash
# Publish the folder DAGS of the project in the current folder as a release, and wait until it is live.
#
# It runs nothing of the project. DAG_BUCKET_NAME and COMMIT are needed; REPOSITORY, BRANCH, BUILD, RUN and URL are shown
# in the history. PUBLISH_ROLE_ARN is a role to assume, where the bucket is in another account. AIRFLOW_IMAGE names the
# image, which has Python and boto3; without it, AIRFLOW_PYTHON an interpreter that has them.
set -euo pipefail

checks=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -n "${AIRFLOW_IMAGE:-}" ]; then
    # The credentials of the build are at an address that containers reach through the host's network only.
    exec docker run --rm --network host --entrypoint bash --volume "$(dirname "$checks"):/source:ro" \
        --volume "$PWD:/project:ro" --workdir /project --env AWS_CONTAINER_CREDENTIALS_RELATIVE_URI \
        --env AWS_REGION --env AWS_DEFAULT_REGION --env DAGS --env DAG_BUCKET_NAME --env COMMIT --env REPOSITORY \
        --env BRANCH --env BUILD --env RUN --env URL --env PUBLISH_ROLE_ARN "$AIRFLOW_IMAGE" \
        /source/checks/pipeline/release.sh
fi

PYTHONPATH=$checks/src exec "${AIRFLOW_PYTHON:-/opt/venv/bin/python}" -m release_dags publish "${DAGS:-dags}" \
    --bucket "$DAG_BUCKET_NAME" --role "${PUBLISH_ROLE_ARN:-}" --commit "$COMMIT" --repository "${REPOSITORY:-}" \
    --branch "${BRANCH:-}" --build "${BUILD:-}" --run "${RUN:-}" --url "${URL:-}"
