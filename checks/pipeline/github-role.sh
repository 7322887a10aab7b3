#!/usr/bin/env bash
# In a job of GitHub Actions with the permission `id-token: write`: let later steps assume ROLE_ARN in AWS_REGION. The
# libraries of AWS exchange the token themselves, whenever they need credentials.
set -euo pipefail

folder=${RUNNER_TEMP:?}/aws-identity
mkdir -p -m 700 "$folder"
# The name of the audience is that of the role's trust policy. The answer is {"value": "<token>"}.
curl -sSf --retry 3 --header "Authorization: bearer ${ACTIONS_ID_TOKEN_REQUEST_TOKEN:?give the job id-token: write}" \
    "${ACTIONS_ID_TOKEN_REQUEST_URL:?}&audience=sts.amazonaws.com" \
    | python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin)["value"])' > "$folder/token"
{
    echo "AWS_WEB_IDENTITY_TOKEN_FILE=$folder/token"
    echo "AWS_ROLE_ARN=${ROLE_ARN:?}"
    echo "AWS_ROLE_SESSION_NAME=github-${GITHUB_RUN_ID:?}"
    echo "AWS_REGION=${AWS_REGION:?}"
    echo "AWS_DEFAULT_REGION=$AWS_REGION"
} >> "${GITHUB_ENV:?}"
