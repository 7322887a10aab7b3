"""images/airflow/user/packages.txt: what is a Debian package, and what apt-get would misread."""

from pathlib import Path

import pytest

from build_image.checks.debian_packages import MAX_PACKAGES, DebianPackagesError, read


def written(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "packages.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_names_and_versions_are_read_without_comments(tmp_path: Path) -> None:
    text = "# databases\nunixodbc\n\nlibpq5=15.8-0+deb12u1  # pinned\r\n g++ \n"

    assert read(written(tmp_path, text)) == ("unixodbc", "libpq5=15.8-0+deb12u1", "g++")


def test_file_that_does_not_exist_names_no_package(tmp_path: Path) -> None:
    assert read(tmp_path / "packages.txt") == ()


@pytest.mark.parametrize(
    "line",
    [
        "--allow-unauthenticated",
        "-oDPkg::Pre-Invoke::=id",
        "unixodbc-",  # apt-get removes it
        "unixodbc/testing",
        "lib*",
        "unixodbc curl",
        "unixodbc;id",
        "unixodbc $(id)",
        "Unixodbc",
        "./local.deb",
        "https://example.com/a.deb",
        "a",
        "unixodbc=",
        "unixodbc=1 --yes",
        "unixodbc==1",
        "?installed",
        "ünixodbc",
    ],
)
def test_line_that_is_no_package_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(DebianPackagesError, match=r"packages\.txt, line 2: .* is not the name"):
        read(written(tmp_path, f"curl\n{line}\n"))


def test_every_mistake_is_named(tmp_path: Path) -> None:
    with pytest.raises(DebianPackagesError, match=r"line 1: .*line 3: curl is named twice"):
        read(written(tmp_path, "-y\ncurl\ncurl=8.0\n"))


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DebianPackagesError, match="save it as UTF-8"):
        read(written(tmp_path, b"\xff\xfe"))


def test_number_of_packages_is_limited(tmp_path: Path) -> None:
    names = [f"lib{number}" for number in range(MAX_PACKAGES + 1)]

    with pytest.raises(DebianPackagesError, match=f"allowed are {MAX_PACKAGES}"):
        read(written(tmp_path, "\n".join(names)))
