"""Files that need CodeBuild are refused without it."""

from pathlib import Path

import pytest

from build_image.checks.codebuild_files import check_without_codebuild
from build_image.errors import ImageBuildError


def test_folder_without_such_files_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("pandas\n")
    (tmp_path / "packages.txt").write_text("# none yet\n")

    check_without_codebuild(tmp_path)
    check_without_codebuild(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "text"), [("packages.txt", "unixodbc\n"), ("Dockerfile", "FROM scratch\n")]
)
def test_reason_names_the_file_and_the_word_of_options(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(ImageBuildError) as raised:
        check_without_codebuild(tmp_path)

    assert f"images/airflow/user/{name}" in str(raised.value)
    assert "add the word codebuild to Options" in str(raised.value)
