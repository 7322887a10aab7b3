"""Files that stay out of a release: in its manifest, its id and its report."""

import pytest

from contracts.release_manifest import (
    Exclusion,
    ReleaseFile,
    ReleaseFormatError,
    ReleaseManifest,
    printable,
)
from contracts.release_reports import ExclusionReport

RELEASE = "20260102T030405Z-0123456789"
FILES = {"a.py": ReleaseFile("0" * 64, 1)}
OUT = Exclusion("b.py", "SyntaxError: no", 3, RELEASE, "etag", {"b": 2})


def test_a_manifest_keeps_what_stays_out_and_why():
    manifest = ReleaseManifest(RELEASE, FILES, exclusions=(OUT,), scripts={"a.py": {}}, checks=2)
    assert ReleaseManifest.from_document(manifest.as_document()) == manifest


def test_a_manifest_of_an_earlier_publisher_has_none():
    document = ReleaseManifest(RELEASE, FILES).as_document()
    for name in ("exclusions", "scripts", "checks"):
        del document[name]
    manifest = ReleaseManifest.from_document(document)
    assert (manifest.exclusions, manifest.scripts, manifest.checks) == ((), {}, 1)


def test_the_content_changes_with_what_is_said_and_not_with_the_memory():
    def content(*exclusions):
        return ReleaseManifest(RELEASE, FILES, exclusions=exclusions).content_hash

    other_memory = Exclusion(OUT.path, OUT.reason, OUT.line, OUT.kept)
    assert content(OUT) == content(other_memory) != content()
    assert content(OUT) != content(Exclusion("b.py", "SyntaxError: no", 4, RELEASE))


def test_a_report_says_path_line_reason_and_kept_version():
    report = ExclusionReport.from_bytes(ExclusionReport(RELEASE, (OUT,)).to_bytes())
    assert report == ExclusionReport(RELEASE, (Exclusion("b.py", OUT.reason, 3, RELEASE),))
    assert str(report.exclusions[0]) == (
        f"b.py, line 3: SyntaxError: no; the file's version of release {RELEASE} stays live"
    )


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"schema": 1}', b'{"schema": 1, "release": "", "exclusions": [{}]}']
)
def test_refuses_a_report_that_is_not_complete(data):
    with pytest.raises(ReleaseFormatError):
        ExclusionReport.from_bytes(data)


def test_a_name_is_shown_without_what_a_log_or_database_cannot_hold():
    assert printable("a\x00b\nc\\d/é\ud800") == "a\\x00b\\x0ac\\d/é\\ud800"
