"""What a user may put into images/airflow/user."""

import subprocess
from pathlib import Path

import pytest

from build_image.checks import requirements_file, user_folder

from ..conftest import REPOSITORY


def test_repository_has_no_placeholder_in_the_users_folder() -> None:
    """A file of ours that a user edits would be in the way of each update of the repository.

    Git merges files that only one side changes, and an archive that is unpacked over a copy
    replaces no file that it does not contain. In a user's copy, the user's files are here.
    """
    done = subprocess.run(
        ["git", "ls-files", "images/airflow/user"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = {Path(name) for name in done.stdout.splitlines()}

    empty = {
        file
        for file in files - {Path("images/airflow/user/README.md")}
        if not requirements_file.lines((REPOSITORY / file).read_text())
        and file.name != "__init__.py"
    }
    assert empty == set()


def test_git_does_not_ignore_what_users_add() -> None:
    names = [f"images/airflow/user/{name}" for name in ("requirements.txt", "plugins/own.py")]

    done = subprocess.run(
        ["git", "check-ignore", *names], cwd=REPOSITORY, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("name", ["README.md", "accepted-findings.toml", ".gitkeep", ".DS_Store"])
def test_files_that_say_nothing_are_accepted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("-e .")

    assert user_folder.problems(tmp_path) == []


def test_folder_that_does_not_exist_has_no_problems(tmp_path: Path) -> None:
    assert user_folder.problems(tmp_path / "user") == []


def test_debian_packages_are_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "packages.txt"
    file.write_text("# none yet\n")
    assert user_folder.problems(tmp_path) == []

    file.write_text("# for pyodbc\nunixodbc\n")
    (problem,) = user_folder.problems(tmp_path)

    assert "packages.txt names Debian packages" in problem
    assert "add the word codebuild to Options" in problem
    assert user_folder.problems(tmp_path, by_codebuild=True) == []


def test_dockerfile_may_copy_any_file_with_codebuild_only(tmp_path: Path) -> None:
    (tmp_path / "odbc.ini").write_text("")
    (tmp_path / "Dockerfile").write_text("FROM ${AIRFLOW_IMAGE}\n")

    (problem,) = user_folder.problems(tmp_path)

    assert "user/Dockerfile is a Dockerfile of your own" in problem
    assert user_folder.problems(tmp_path, by_codebuild=True) == []


def test_plugins_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("")

    (problem,) = user_folder.problems(tmp_path)

    assert "make it a folder" in problem


@pytest.mark.parametrize(
    "line",
    [
        "requests", "requests==2.32.0", "requests>=2,<3  # a comment", "Requests [socks] ~= 2.32",
        "requests; python_version > '3.11'", "requests (>=2)", "--index-url https://example.com/",
        "--extra-index-url=https://example.com/simple", "own @ https://example.com/own-1-any.whl",
        "requests==2.32.0 --hash=sha256:abc",
    ],
)  # fmt: skip
def test_packages_and_indexes_are_accepted(line: str) -> None:
    assert requirements_file.problems(f"# first\n{line}\n", "file") == []


@pytest.mark.parametrize(
    "line",
    [
        "-e .", "-r other.txt", "-c other.txt", "--requirement other.txt", "./wheels/own.whl",
        "wheels/own.whl", "git+https://example.com/own.git", "https://example.com/own-1-any.whl",
        "own @ git+https://example.com/own.git", "own @ file:///own.whl", "--find-links wheels",
    ],
)  # fmt: skip
def test_other_lines_are_refused_with_their_number(line: str) -> None:
    (problem,) = requirements_file.problems(f"requests\n\n{line}  # ours\n", "file")

    assert problem.startswith(f"file, line 3: {line!r} cannot be installed by the builder")
    assert "a package index" in problem


def test_continued_lines_are_one_line() -> None:
    text = "requests==2.32.0 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\nother\n"

    first, second = requirements_file.lines(text)

    assert (first.number, first.name, first.hashes) == (1, "requests", ["sha256:abc", "sha256:def"])
    assert (second.number, second.name, second.hashes) == (4, "other", [])
