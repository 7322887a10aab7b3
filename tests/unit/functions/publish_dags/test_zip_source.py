"""Zip files: all or nothing, the last change counts, a hostile one is refused."""

import io
import random
import stat
import struct
import zipfile

import pytest
from dag_folder import DagFolder, broken, dag, zipped

from publish_dags.checks.limits import Limits
from publish_dags.checks.problems import RefusedError
from publish_dags.publisher import Outcome
from publish_dags.zip_source import ZipSource

LIMITS = Limits(files=50, total_bytes=1_000_000)
GOOD = {"a.py": dag("a"), "lib/b.py": b"B = 1\n" * 50}
REPORT = "inbox/dags.zip.refused.json"


@pytest.fixture
def folder():
    return DagFolder(limits=LIMITS)


@pytest.fixture
def strict():
    return DagFolder(limits=LIMITS, strict=True)


def test_publishes_exactly_the_zip_when_one_is_dropped(folder):
    folder.publish({"old.py": ""})
    folder.upload(GOOD)
    assert folder.publish().outcome is Outcome.PUBLISHED
    assert folder.current_files == GOOD
    assert folder.publish().outcome is Outcome.UNCHANGED


def test_publishes_the_folder_when_it_changes_after_the_zip(folder):
    folder.upload(GOOD)
    folder.publish()
    assert folder.publish({"c.py": ""}).outcome is Outcome.PUBLISHED
    assert set(folder.current_files) == {"c.py"}


def test_publishes_the_later_one_when_folder_and_zip_are_new(folder):
    folder.upload(GOOD)
    folder.publish({"c.py": ""})
    assert set(folder.current_files) == {"c.py"}
    assert folder.publish().outcome is Outcome.UNCHANGED


def test_reports_beside_the_zip_when_it_is_refused(strict):
    first = strict.publish({"c.py": ""}).release
    strict.upload({"a.py": broken()})
    publication = strict.publish()
    assert (publication.outcome, publication.release) == (Outcome.REFUSED, first)
    problem = strict.report(REPORT)["problems"][0]
    assert (problem["path"], problem["line"]) == ("a.py", 2)
    # Reported once; the folder goes its way, and the next zip its own.
    assert strict.publish().outcome is Outcome.UNCHANGED
    assert strict.publish({"d.py": ""}).outcome is Outcome.PUBLISHED
    strict.upload(GOOD)
    assert strict.publish().outcome is Outcome.PUBLISHED
    assert strict.current_files == GOOD


def entry(name, mode=0o100644, **attributes):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def made(*entries):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return data.getvalue()


def encrypted():
    data = bytearray(zipped(GOOD))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + offset] |= 1
    return bytes(data)


def lying_about_size():
    """A bomb that declares ten bytes: the central directory's size of the file is overwritten."""
    data = bytearray(zipped({"bomb.txt": bytes(50_000_000)}))
    struct.pack_into("<L", data, data.find(b"PK\x01\x02") + 24, 10)
    return bytes(data)


def badly_named(name):
    data = zipped({"x" * len(name): b""})
    return data.replace(b"x" * len(name), name)


def named():
    """Hostile zip files, by name."""
    bad_names = [
        "/etc/passwd", "../a.py", "a/../../b.py", "./a.py", "a//b.py", "..", "a/..", "C:\\a.py",
        "a\\b.py", "a\nb.py", "\x7f.py", "x" * 300, "/".join(["d" * 100] * 12), "a/./b.py", "//a",
    ]  # fmt: skip
    yield from ((f"name {name[:12]!r}", made((entry(name), b""))) for name in bad_names)
    kinds = {
        "link": stat.S_IFLNK,
        "pipe": stat.S_IFIFO,
        "device": stat.S_IFBLK,
        "socket": stat.S_IFSOCK,
    }
    yield from (
        (kind, made((entry("a.py", mode | 0o777), b"/etc"))) for kind, mode in kinds.items()
    )
    yield "bomb", zipped({"bomb.txt": bytes(50_000_000)})
    yield "many small bombs", zipped({f"b{n}.txt": bytes(100_000) for n in range(20)})
    yield "lying bomb", lying_about_size()
    yield "too many", zipped({f"f{n}": b"" for n in range(60)})
    yield "far too many", zipped({f"f{n}": b"" for n in range(1200)})
    yield "encrypted", encrypted()
    yield "bzip2", made((entry("a.py", compress_type=zipfile.ZIP_BZIP2), b"x"))
    yield "lzma", made((entry("a.py", compress_type=zipfile.ZIP_LZMA), b"x"))
    yield "file and folder", zipped({"a": b"x", "a/b.py": b""})
    yield "undeclared name", badly_named("ü.py".encode("latin-1"))
    yield "null byte", badly_named(b"a\x00.py")
    yield "syntax", zipped({"a.py": broken()})
    yield "doubled dag", zipped({"a.py": dag("a"), "b.py": dag("a")})
    yield "not a zip", b"not a zip"
    yield "empty", b""


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refuses_a_zip_with_the_same_name_twice():
    with pytest.raises(RefusedError, match="is in the zip file twice"):
        ZipSource(made((entry("a.py"), b"1"), (entry("a.py"), b"2")), LIMITS).list()


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in named()])
def test_refuses_and_leaves_the_current_release_when_a_zip_is_hostile(strict, data):
    first = strict.publish({"c.py": ""}).release
    strict.s3.clock.sleep(60)
    strict.s3.put("inbox/dags.zip", data)
    assert strict.publish().outcome is Outcome.REFUSED
    assert strict.pointer["release"] == first
    assert strict.report(REPORT)["problems"]


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in named()])
def test_publishes_nothing_hostile_when_a_zip_is_hostile(folder, data):
    """Forgiving: what can be a file of the release goes live, or the zip is refused."""
    folder.publish({"c.py": ""})
    folder.s3.clock.sleep(60)
    folder.s3.put("inbox/dags.zip", data)
    if folder.publish().outcome is Outcome.REFUSED:
        assert set(folder.current_files) == {"c.py"}
        assert folder.report(REPORT)["problems"]
    else:
        assert set(folder.current_files) <= {"a.py", "a/b.py"}
        assert folder.exclusions


def test_publishes_the_rest_when_entries_of_a_zip_cannot_be_files(folder):
    link = entry("link.py", stat.S_IFLNK | 0o777)
    folder.s3.put(
        "inbox/dags.zip",
        made(
            (entry("good.py"), dag("good")),
            (entry("..\\evil.py"), dag("evil")),
            (entry("a//b.py"), dag("b")),
            (entry("/etc/passwd"), b""),
            (entry("bad.py"), broken()),
            (link, b"/etc/passwd"),
        ),
    )
    assert folder.publish().outcome is Outcome.PUBLISHED
    assert set(folder.current_files) == {"good.py"}
    assert folder.exclusions == {
        "..\\evil.py": "the path contains a backslash",
        "/etc/passwd": "the path starts with a slash",
        "a//b.py": "the path contains an empty folder or file name",
        "bad.py": "SyntaxError: invalid syntax",
        "link.py": "is a link",
    }


def test_refuses_a_zip_of_which_nothing_is_left(folder):
    folder.publish({"c.py": dag("c")})
    folder.upload({"other.py": broken()})
    assert folder.publish().outcome is Outcome.REFUSED
    assert set(folder.current_files) == {"c.py"}


@pytest.mark.parametrize("seed", range(400))
def test_publishes_all_of_a_damaged_zip_or_refuses_it(folder, seed):
    """Truncated, bits flipped, bytes overwritten, parts repeated: generated from the seed."""
    chance = random.Random(seed)
    data = bytearray(zipped(GOOD))
    for _ in range(chance.randint(1, 4)):
        place, kind = chance.randrange(len(data)), chance.randrange(4)
        if kind == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[place : place + 4] = chance.randbytes(4)
        elif kind == 2:
            del data[place : place + chance.randint(1, 40)]
        else:
            data[place:place] = data[place : place + chance.randint(1, 40)]
    folder.publish({"c.py": ""})
    folder.s3.clock.sleep(60)
    folder.s3.put("inbox/dags.zip", bytes(data))
    outcome = folder.publish().outcome
    # A changed name or mode may still be a valid zip file: then its content is published.
    if outcome is Outcome.PUBLISHED:
        assert set(folder.current_files.values()) <= set(GOOD.values())
    else:
        assert outcome is Outcome.REFUSED
        assert set(folder.current_files) == {"c.py"}
