"""What CodeBuild gets: complete, the same bytes for the same source, and a tag of the content."""

import zipfile
from pathlib import Path

import pytest

from build_image.codebuild import archive
from build_image.errors import ImageBuildError

from .conftest import Yard

LABELS = {"org.opencontainers.image.version": "3.3.2", "airflow-on-fargate.build": "7\n--push"}


def packed(yard: Yard, target: Path) -> dict[str, str]:
    archive.write(target, yard.source(), LABELS)
    with zipfile.ZipFile(target) as content:
        return {name: content.read(name).decode() for name in content.namelist()}


def test_archive_has_what_the_dockerfile_copies(yard: Yard, tmp_path: Path) -> None:
    yard.write("user/requirements.txt", "pandas\n")
    yard.write("user/plugins/own.py", "")

    files = packed(yard, tmp_path / "zip")

    assert {
        "build.sh",
        "images/airflow/Dockerfile",
        "images/airflow/requirements.lock",
        "images/airflow/src/airflow_on_fargate/__init__.py",
        "images/airflow/user/requirements.txt",
        "images/airflow/user/plugins/own.py",
        "local/environments/uv.lock",
        "functions/contracts/names.py",
        "functions/shared/errors.py",
        "functions/build_image/source.py",
    } <= files.keys()
    assert not [name for name in files if name.startswith(("packages/", "own/"))]


def test_each_label_is_one_line(yard: Yard, tmp_path: Path) -> None:
    """A line break in a label would be another argument."""
    assert packed(yard, tmp_path / "zip")["labels"] == (
        "org.opencontainers.image.version=3.3.2\nairflow-on-fargate.build=7 --push\n"
    )


def test_same_source_gives_the_same_bytes(yard: Yard, tmp_path: Path) -> None:
    first = archive.write(tmp_path / "one", yard.source(), LABELS)
    (yard.folder / "labels.json").touch()
    second = archive.write(tmp_path / "two", yard.source(), LABELS)

    assert first == second
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_debian_packages_have_a_folder_of_their_own(yard: Yard, tmp_path: Path) -> None:
    yard.write("user/packages.txt", "# odbc\nunixodbc  # for pyodbc\ncurl\n")

    files = packed(yard, tmp_path / "zip")

    assert files["packages/packages.txt"] == "unixodbc\ncurl\n"
    assert "FROM ${PYTHON_IMAGE}" in files["packages/Dockerfile"]
    assert "images/airflow/user/packages.txt" not in files


def test_own_dockerfile_gets_the_users_folder(yard: Yard, tmp_path: Path) -> None:
    yard.write("user/Dockerfile", "FROM ${AIRFLOW_IMAGE}\n")
    yard.write("user/odbc.ini", "[own]\n")
    yard.write("user/accepted-findings.toml", "")

    files = packed(yard, tmp_path / "zip")

    assert {name for name in files if name.startswith("own/")} == {
        "own/Dockerfile",
        "own/odbc.ini",
    }
    # The Dockerfile of the image refuses what it does not know.
    assert {name for name in files if name.startswith("images/airflow/user/")} == {
        "images/airflow/user/.source"
    }


def test_archive_without_an_installer_is_refused(yard: Yard, tmp_path: Path) -> None:
    (yard.folder / "uv.lock").unlink()

    with pytest.raises(ImageBuildError, match=r"lacks uv\.lock .* run sam build"):
        packed(yard, tmp_path / "zip")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Dockerfile", "\n# another\n"),
        ("requirements.lock", "\n"),
        ("src/airflow_on_fargate/new.py", ""),
        ("user/requirements.txt", "pandas\n"),
        ("user/packages.txt", "unixodbc\n"),
        ("user/Dockerfile", "FROM ${AIRFLOW_IMAGE}\n"),
    ],
)
def test_tag_changes_with_whatever_decides_the_content(yard: Yard, name: str, text: str) -> None:
    former = archive.tag(yard.source())
    path = yard.folder / name
    yard.write(name, (path.read_text() if path.exists() else "") + text)

    assert archive.tag(yard.source()) != former


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.json", '{"revision": "another"}'),
        ("user/packages.txt", "# a comment only\n"),
        ("user/accepted-findings.toml", "[[finding]]\n"),
        ("user/README.md", "another\n"),
    ],
)
def test_tag_stays_with_what_is_in_no_image(yard: Yard, name: str, text: str) -> None:
    former = archive.tag(yard.source())
    yard.write(name, text)

    assert archive.tag(yard.source()) == former


def test_file_that_only_the_own_dockerfile_copies_changes_the_tag(yard: Yard) -> None:
    yard.write("user/Dockerfile", "FROM ${AIRFLOW_IMAGE}\nCOPY odbc.ini /etc/odbc.ini\n")
    yard.write("user/odbc.ini", "[one]\n")
    former = archive.tag(yard.source())
    yard.write("user/odbc.ini", "[two]\n")

    assert archive.tag(yard.source()) != former


def test_tag_is_not_that_of_the_function(yard: Yard) -> None:
    """The function ignores most of the Dockerfile, so its image may be another one."""
    assert archive.tag(yard.source()) != yard.source().tag()
