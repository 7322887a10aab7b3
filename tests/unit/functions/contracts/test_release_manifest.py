"""The format of a release, as the publisher writes it and the DAG bundle reads it."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from contracts.release_manifest import (
    Archive,
    ReleaseFile,
    ReleaseFormatError,
    ReleaseManifest,
    ReleasePointer,
    content_hash,
    manifest_key,
    path_problems,
    pointer_key,
    release_id,
)

RELEASE = "20260102T030405Z-0123456789"
FILE = ReleaseFile("a" * 64, 3, "etag", False, {"sales": 7})
GOOD = {"schema": 1, "release": RELEASE, "archive": None, "ignore_files": {}, "files": {}}


def test_manifest_survives_writing_and_reading():
    original = ReleaseManifest(
        RELEASE,
        {"müsli/ø.py": FILE, "a.py": ReleaseFile("b" * 64, 0)},
        Archive(RELEASE, 9),
        {".airflowignore": "x"},
    )
    document = json.loads(json.dumps(original.as_document()))
    assert ReleaseManifest.from_document(document) == original


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"release": None},
        {"release": "../../etc"},
        {"files": []},
        {"files": {"a.py": {"key": "dags/a.py"}}},
        {"archive": {"name": "../etc", "size": 1}},
        {"archive": "x"},
        {"ignore_files": None},
    ],
)
def test_manifest_with_unexpected_fields_is_refused(change):
    assert ReleaseManifest.from_document(GOOD).files == {}
    with pytest.raises(ReleaseFormatError):
        ReleaseManifest.from_document(GOOD | change)


@pytest.mark.parametrize("path", ["../evil.py", "/etc/passwd", "a//b.py", "a/./b.py"])
def test_manifest_with_a_path_outside_its_folder_is_refused(path):
    document = ReleaseManifest(RELEASE, {path: FILE}).as_document()
    with pytest.raises(ReleaseFormatError, match="The manifest contains the path"):
        ReleaseManifest.from_document(document)


@pytest.mark.parametrize(
    "file",
    [
        ReleaseFile("short", 3),
        ReleaseFile(None, 3),
        ReleaseFile("a" * 64, -1),
        ReleaseFile("a" * 64, "3"),
    ],
)
def test_manifest_with_an_invalid_hash_or_size_is_refused(file):
    with pytest.raises(ReleaseFormatError, match=r"a\.py"):
        ReleaseManifest.from_document(ReleaseManifest(RELEASE, {"a.py": file}).as_document())


def test_pointer_survives_writing_and_reading():
    pointer = ReleasePointer(RELEASE, "2026-01-02T03:04:05+00:00")
    assert ReleasePointer.from_bytes(pointer.to_bytes()) == pointer


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b'{"schema": 1, "published_at": "now"}',
        b'{"schema": 1, "release": 7, "published_at": "now"}',
        b'{"schema": 1, "release": "a/b", "published_at": "now"}',
        b'{"schema": 9, "release": "20260102T030405Z-0123456789", "published_at": "now"}',
    ],
)
def test_bytes_that_are_not_a_pointer_are_refused(data):
    with pytest.raises(ReleaseFormatError):
        ReleasePointer.from_bytes(data)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/a.py", "starts with a slash"),
        ("a/../b.py", "'..'"),
        ("./b.py", "'.'"),
        ("a//b.py", "an empty folder"),
        ("a/", "an empty folder"),
        ("", "an empty folder"),
        ("a\\b.py", "a backslash"),
        ("a\nb.py", "a control character"),
        ("a\x00b.py", "a control character"),
        ("a\x7fb.py", "a control character"),
        ("\ud800.py", "not valid Unicode"),
        ("x" * 256, "longer than 255 bytes"),
        ("ø" * 128, "longer than 255 bytes"),
        ("/".join(["x" * 200] * 6), "longer than 1024 bytes"),
    ],
)
def test_reports_why_a_path_cannot_be_part_of_a_release(path, reason):
    assert reason in path_problems({path: None})[path]


@pytest.mark.parametrize("path", ["a.py", ".airflowignore", "a b/ø…/c-d_e.sql", "..a/b..py"])
def test_accepts_a_path_inside_its_folder(path):
    assert path_problems({path: None}) == {}


def test_refuses_a_path_whose_folder_is_also_a_file():
    problems = path_problems({"a/b": None, "a/b/c.py": None, "a/d.py": None})
    assert problems == {"a/b/c.py": "is in 'a/b', which is also a file"}


def test_content_hash_changes_with_every_path_and_hash():
    hashes = [
        content_hash(content)
        for content in ({}, {"a.py": "1"}, {"b.py": "1"}, {"a.py": "2"}, {"a.py": "1", "b.py": "1"})
    ]
    assert len(set(hashes)) == len(hashes)


def test_release_ids_sort_by_utc_in_any_time_zone():
    moment = datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert release_id(moment, "0123456789abcdef") == RELEASE
    assert release_id(datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC), "0" * 64) > RELEASE


def test_object_keys_start_with_the_prefix():
    assert manifest_key("releases/", RELEASE) == f"releases/{RELEASE}.gz"
    assert pointer_key("releases/") == "releases/current.json"
