"""Which names are files of a release, and when two listings are the same."""

import hashlib
import json

from publish_dags.ports import SourceFile


def is_no_file(path: str) -> bool:
    # Folders made in the console are empty objects; bytecode belongs to the machine it was made on.
    return path == "" or path.endswith("/") or "__pycache__" in path.split("/")


def listing_mark(files: list[SourceFile]) -> str:
    """Changes with the content only: the same files uploaded once more are no news."""
    entries = sorted([file.path, file.etag, file.size] for file in files)
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
