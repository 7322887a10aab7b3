"""A user's requirements that cannot be installed: what uv really answers, and the reason."""

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from image_parts import PYTHON, Wheels

from build_image.errors import PackagesError

from .conftest import SITE_PACKAGES, Workshop

NO_HASH = f"sha256:{'0' * 64}"
CPYTHON = f"cp{PYTHON.replace('.', '')}"


@pytest.fixture(autouse=True)
def index(wheels: Wheels) -> None:
    """What the package index has, beside corelib 1.0 of the lock file."""
    for name, version, *requires in (
        ("corelib", "2.0"),
        ("extra", "1.0"),
        ("extra", "1.5"),
        ("wantsnew", "2.0", "corelib>=2"),
        ("wantsnew", "3.0", "corelib>=2"),
        ("picky", "2.0"),
        ("picky", "3.0", "corelib>=2,<4"),
        ("mid", "1.0", "corelib>=2"),
        ("top", "1.0", "mid"),
        ("top", "1.1", "mid"),
        ("hates", "1.0", "corelib!=1.0"),
        ("needsgone", "1.0", "gone>=2"),
        ("needsextra", "1.0", "extra>=2"),
        ("one", "1.0", "extra<1.5"),
        ("two", "1.0", "extra>=1.5"),
        ("needsarm", "1.0", "armonly"),
        ("needssource", "1.0", "sourceonly"),
    ):
        wheels.add(name, version, *requires)
    wheels.add("armonly", "1.0", tag=f"{CPYTHON}-{CPYTHON}-manylinux_2_17_aarch64")
    wheels.add("newsystem", "1.0", tag=f"{CPYTHON}-{CPYTHON}-manylinux_2_99_x86_64")
    wheels.add("oldpython", "1.0", tag="cp310-cp310-manylinux_2_17_x86_64")
    wheels.add("future", "1.0", python=">=3.99")
    wheels.add_source_only("sourceonly", "1.0")


def reason_of(workshop: Workshop, requirements: str) -> str:
    workshop.write("user/requirements.txt", requirements)
    with pytest.raises(PackagesError) as raised:
        workshop.build()
    assert workshop.repository.tags == {}
    return str(raised.value)


LOCK = "images/airflow/user/requirements.txt conflicts with Airflow's lock file: "


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (
            "wantsnew",
            "wantsnew 3.0 needs corelib>=2, but the lock file has corelib 1.0. No version of "
            "wantsnew accepts corelib 1.0: use another package, or lock "
            "images/airflow/requirements.in with another corelib.",
        ),
        ("wantsnew==2.0", "wantsnew 2.0 needs corelib>=2, but the lock file has corelib 1.0."),
        ("picky==3.0", "picky 3.0 needs corelib>=2,<4, but the lock file has corelib 1.0. Choose"),
        ("picky>=3", "picky 3.0 needs corelib>=2,<4, but the lock file has corelib 1.0. Choose"),
        ("top", "mid 1.0, which top needs, needs corelib>=2, but the lock file has corelib 1.0."),
        ("hates", "hates 1.0 needs corelib<1.0 or corelib>1.0, but the lock file has corelib 1.0"),
        ("corelib>=2", "it names corelib>=2, but the lock file has corelib 1.0. Remove the line"),
        ("Core_Lib", ""),
        ("corelib==2.0", "it names corelib==2.0, but the lock file has corelib 1.0."),
    ],
)
def test_conflict_names_both_packages_and_both_versions(
    workshop: Workshop, requirements: str, reason: str
) -> None:
    if reason:
        assert reason_of(workshop, f"extra\n{requirements}\n").startswith(LOCK + reason)
    else:
        assert "names core-lib, which does not exist" in reason_of(workshop, requirements)


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        ("extra==1.0\nextra==1.5", "names extra==1.0 and extra==1.5, which exclude each other"),
        ("needsextra\nextra==1.0", "every version of needsextra needs extra>=2, but .* extra==1.0"),
        ("one\ntwo", "exclude each other: every version of .* needs extra.* needs extra"),
    ],
)
def test_lines_that_exclude_each_other_are_named(
    workshop: Workshop, requirements: str, reason: str
) -> None:
    assert re.search(reason, reason_of(workshop, requirements))


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        ("nosuch", "requirements.txt names nosuch, which does not exist in the package index"),
        ("needsgone", "needsgone of images/airflow/user/requirements.txt needs gone, which does"),
        ("extra==9", "names extra==9, a version that does not exist: choose another one."),
        ("extra>2", "names extra>2, but the package index has only extra<=1.5"),
        ("needsextra", "needs extra>=2, but the package index has only extra<=1.5"),
        ("future", "future 1.0 of images/airflow/user/requirements.txt needs Python >=3.99, but"),
        ("extra ==== 1", "a line that is not a requirement: no such comparison operator"),
    ],
)
def test_package_or_version_that_does_not_exist_is_named(
    workshop: Workshop, requirements: str, reason: str
) -> None:
    assert reason in reason_of(workshop, requirements)


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        ("sourceonly", "sourceonly 1.0 of images/airflow/user/requirements.txt has no wheel, only"),
        ("needssource", "sourceonly 1.0, which needssource of images/airflow/user/requirements"),
        (
            "armonly",
            "armonly 1.0 of images/airflow/user/requirements.txt has no wheel for this image's "
            "processor and system (manylinux_2_36_x86_64), only for manylinux_2_17_aarch64:",
        ),
        ("needsarm", "armonly 1.0, which needsarm of images/airflow/user/requirements.txt needs,"),
        ("newsystem", "system (manylinux_2_36_x86_64), only for manylinux_2_99_x86_64:"),
        ("oldpython", f"has no wheel for this image's Python ({CPYTHON}), only for cp310:"),
    ],
)
def test_package_without_a_fitting_wheel_is_named(
    workshop: Workshop, requirements: str, reason: str
) -> None:
    text = reason_of(workshop, requirements)

    assert reason in text
    assert text.endswith("or build an image of your own and set AirflowImageUri.")


def test_wheel_that_differs_from_the_users_hash_is_refused(workshop: Workshop) -> None:
    """uv ignores hashes when it resolves; they are compared when it installs."""
    reason = reason_of(workshop, f"picky==2.0\nExtra==1.5 \\\n  --hash={NO_HASH}\n")

    assert "extra==1.5 is not the file that images/airflow/user/requirements.txt names" in reason
    assert "its hash differs" in reason


def test_users_hash_of_a_package_of_the_lock_file_is_compared_with_it(workshop: Workshop) -> None:
    reason = reason_of(workshop, f"corelib==1.0 --hash={NO_HASH}\n")

    assert "line 1, names corelib with a hash that images/airflow/requirements.lock does" in reason


def test_wheel_with_the_users_hash_is_installed(workshop: Workshop, wheels: Wheels) -> None:
    line = wheels.add("own", "1.0")
    locked = (workshop.source / "requirements.lock").read_text().splitlines()[-1]
    workshop.write("user/requirements.txt", f"{line}{locked}\n")

    files = workshop.repository.files_of(workshop.build())

    assert f"{SITE_PACKAGES}/own/__init__.py" in files


@contextlib.contextmanager
def answering(status: int) -> Iterator[str]:
    """A package index that answers every request with a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (503, r"index http://127\.0\.0\.1:\d+ cannot be used at the moment \(503 Service Unav"),
        (429, r"cannot be used at the moment \(429 Too Many Requests\)\. Deploy again later"),
        (401, r"/simple refuses access \(401 Unauthorized\): check its address and its password"),
        (403, r"/simple refuses access \(403 Forbidden\): check its address"),
    ],
)
def test_index_that_does_not_answer_as_it_should_is_named(
    workshop: Workshop, status: int, reason: str
) -> None:
    workshop.build()  # the packages of the lock file are stored before
    with answering(status) as url:
        workshop.uv_options = ("--default-index", f"{url}/simple")
        workshop.uv_environment = {"UV_HTTP_RETRIES": "0"}
        text = reason_of_change(workshop, "extra\n")

    assert re.search(reason, text), text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/simple", "index http://127.0.0.1:1 cannot be used at the moment ("),
        ("https://u:secret@127.0.0.1:1/simple", "index https://127.0.0.1:1 cannot be used at"),
        ("https://index.invalid/simple", "index https://index.invalid cannot be used at the"),
    ],
)
def test_index_that_cannot_be_reached_is_named_without_its_password(
    workshop: Workshop, url: str, reason: str
) -> None:
    workshop.build()
    workshop.uv_options = ("--default-index", url)
    workshop.uv_environment = {"UV_HTTP_RETRIES": "0"}

    text = reason_of_change(workshop, "extra\n")

    assert reason in text
    assert "secret" not in text


def reason_of_change(workshop: Workshop, requirements: str) -> str:
    """The reason of a change of the user's file; the former image stays."""
    before = dict(workshop.repository.tags)
    workshop.write("user/requirements.txt", requirements)
    with pytest.raises(PackagesError) as raised:
        workshop.build()
    assert workshop.repository.tags == before
    return str(raised.value)


def test_package_of_another_index_is_installed(workshop: Workshop, wheels: Wheels) -> None:
    """The address is in the user's file only; the file with the hashes gets it too."""
    workshop.build()
    workshop.uv_options = ()
    workshop.uv_environment = {"UV_DEFAULT_INDEX": (wheels.folder / "none").as_uri()}
    (wheels.folder / "none").mkdir()
    workshop.write("user/requirements.txt", f"--extra-index-url {wheels.index()}\nextra\n")

    files = workshop.repository.files_of(workshop.build())

    assert f"{SITE_PACKAGES}/extra/__init__.py" in files
