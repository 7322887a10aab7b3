"""A project in which everything is in order, checked by every check."""

import json
from pathlib import Path

import pytest
from checked_projects import GOOD_FILES, Checked, check_dags, write

SETTINGS = """\
[rules]
owner = ["data"]
tags = 1
retries = 1
dag_id = "[a-z]+"
import_seconds = 20

[gate]
rating = "A"
coverage = 60
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    files = {
        **GOOD_FILES,
        "check-dags.toml": SETTINGS,
        "dags/.airflowignore": "scratch\n",
        "dags/scratch/broken.py": "from airflow.sdk import DAG\nimport nothing_like_this\n",
    }
    project = write(tmp_path_factory.mktemp("good"), files)
    return check_dags(project, "--skip", "lint", AWS_SECRET_ACCESS_KEY="not for DAGs")


def test_passes_with_status_0(checked):
    assert checked.status == 0, checked.output
    checks = ("security", "release", "import", "rules", "tests", "coverage")
    assert {check: checked.outcome(check) for check in checks} == dict.fromkeys(checks, "passed")


def test_check_that_was_left_out_is_shown_as_skipped(checked):
    assert checked.outcome("lint") == "skipped"


def test_shows_time_and_memory_of_each_import(checked):
    row = next(line for line in checked.output.splitlines() if line.startswith("dags/good.py"))
    _, seconds, mib, dags = row.split()
    assert float(seconds) > 0 and float(mib) > 10 and dags == "1"


def test_file_that_airflow_ignores_is_not_imported(checked):
    assert "broken.py" not in checked.output


def test_junit_has_a_case_for_each_import_and_each_test(checked):
    cases = {(each.get("classname"), each.get("name")) for each in checked.junit.iter("testcase")}
    assert {("import", "dags/good.py"), ("tests", "test_greets")} <= cases
    assert not list(checked.junit.iter("failure"))


def test_sarif_has_no_result(checked):
    assert checked.sarif["version"] == "2.1.0"
    assert checked.sarif["runs"][0]["results"] == []


def test_two_archives_of_the_same_files_are_equal(tmp_path: Path):
    from check_dags.archive import write_archive

    for name in ("one", "two"):
        project = write(tmp_path / name, GOOD_FILES)
        write_archive(project / "dags", tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_reports_are_written_where_nothing_was_found(checked):
    assert json.dumps(checked.sarif)
