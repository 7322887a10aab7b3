"""The folders of the DAG bucket, written by users, the publisher and the dag-processor."""

from collections.abc import Mapping
from typing import Final

# The DAGs folder: what users synchronize.
SOURCE_PREFIX: Final = "dags/"
# Zip files that users upload instead.
INBOX_PREFIX: Final = "inbox/"
# Releases, the pointer to the current one, and reports about them.
RELEASE_PREFIX: Final = "releases/"

# What a pipeline says about a zip file, as metadata of the object: x-amz-meta-commit and others.
ORIGIN_KEYS: Final = ("repository", "branch", "commit", "build", "run", "url")
_MOST_CHARACTERS: Final = 300


def origin_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """Where a zip file comes from; unknown keys, and what cannot be shown, are left out.

    `url` becomes a link in Airflow's UI, so it has to be one of a web page.
    """
    found = {key: metadata[key].strip() for key in ORIGIN_KEYS if key in metadata}
    return {
        key: value
        for key, value in found.items()
        if value.isprintable()
        and 0 < len(value) <= _MOST_CHARACTERS
        and (key != "url" or value.startswith("https://"))
    }
