#!/usr/bin/env bash
# Put the Markdown of the file PREVIEW on the pull request PULL_REQUEST, in the place of the former one. GH_TOKEN is the
# token of the job, with `pull-requests: write`.
set -euo pipefail

# A comment has at most 65,536 characters.
head -c 60000 "${PREVIEW:?}" > "$PREVIEW.short"
gh pr comment "${PULL_REQUEST:?}" --repo "${GITHUB_REPOSITORY:?}" --body-file "$PREVIEW.short" --edit-last \
    --create-if-none
