"""Which names are files of a release, and when two listings are the same."""

import hashlib
import json

from publish_dags.ports import SourceFile


def is_no_file(path: str, size: int) -> bool:
    # The console creates empty objects for folders. Bytecode belongs to the machine that wrote it.
    is_folder = path == "" or path.endswith("/")
    return (is_folder and size == 0) or "__pycache__" in path.split("/")


def listing_mark(files: list[SourceFile]) -> str:
    """Changes only with the content: uploading the same files again changes nothing."""
    entries = sorted([file.path, file.etag, file.size] for file in files)
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def is_upload(key: str) -> bool:
    return key.lower().endswith(".zip")
