"""The folders of the DAG bucket, written by users, the publisher and the dag-processor."""

from typing import Final

# The DAGs folder: what users synchronize.
SOURCE_PREFIX: Final = "dags/"
# Zip files that users upload instead.
INBOX_PREFIX: Final = "inbox/"
# Releases, the pointer to the current one, and reports about them.
RELEASE_PREFIX: Final = "releases/"
