#!/usr/bin/env bash
# Upload the SARIF file of the checks to GitHub's code scanning. GH_TOKEN is the token of the job, with
# `security-events: write`. Without code scanning, which private repositories have to buy, it says so and goes on.
set -euo pipefail

sarif=${REPORTS:-reports}/checks.sarif
[ -f "$sarif" ] || exit 0
gzip -c "$sarif" | base64 -w 0 > "$sarif.encoded"
gh api "repos/${GITHUB_REPOSITORY:?}/code-scanning/sarifs" --method POST --field "commit_sha=${GITHUB_SHA:?}" \
    --field "ref=${GITHUB_REF:?}" --field "sarif=@$sarif.encoded" --silent \
    || echo "::warning::The findings are in the log only: GitHub's code scanning does not take them."
