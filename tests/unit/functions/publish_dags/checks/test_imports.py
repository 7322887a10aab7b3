"""Packages that a release imports and the image does not have: a warning, never a refusal."""

import ast

import pytest
from dag_folder import RELEASES, DagFolder, dag

from contracts.release_reports import EnvironmentReport, environment_key
from publish_dags.checks.imports import certain_imports, missing, unresolved
from publish_dags.publisher import Outcome


def found(source):
    return certain_imports(ast.parse(source))


def test_finds_module_and_line_of_a_certain_import():
    source = "import os\nimport pandas as pd, numpy.linalg\nfrom google.cloud import storage\n"
    assert found(source) == {"pandas": 2, "numpy.linalg": 2, "google.cloud.storage": 3}
    assert unresolved({"a.py": found(source)}, []) == {
        "a.py": {"pandas": 2, "numpy": 2, "google": 3}
    }


@pytest.mark.parametrize(
    "source",
    [
        "import json, sys",
        "from __future__ import annotations",
        "from airflow.sdk import dag",
        "from . import helper",
        "from .lib import tables",
        "try:\n    import polars\nexcept ImportError:\n    polars = None",
        "if TYPE_CHECKING:\n    import polars",
        "def f():\n    import polars",
    ],
)
def test_ignores_imports_that_always_exist_or_may_fail(source):
    assert found(source) == {}


def test_ignores_modules_of_the_release_itself():
    imports = {"a.py": {"lib": 1, "helpers": 2, "deep": 3, "pandas": 4}}
    paths = ["a.py", "lib/__init__.py", "helpers.py", "team/deep/tables.py"]
    assert unresolved(imports, paths) == {"a.py": {"pandas": 4}}


def test_reports_file_line_and_name_of_a_missing_package():
    problems = missing({"b.py": {"pandas": 3}, "a.py": {"boto3": 1}}, frozenset({"boto3"}))
    assert [str(p) for p in problems] == [
        "b.py, line 3: imports 'pandas', which the image does not have"
    ]


@pytest.fixture
def folder():
    folder = DagFolder()
    folder.s3.put(environment_key(RELEASES), EnvironmentReport(frozenset({"boto3"})).to_bytes())
    return folder


WARNING = "a.py, line 2: imports 'pandas', which the image does not have"


def test_publishes_with_a_warning_when_the_image_does_not_have_a_package(folder):
    publication = folder.publish({"a.py": dag("a", "import pandas, boto3")})
    assert publication.outcome is Outcome.PUBLISHED
    assert [str(each) for each in publication.warnings] == [WARNING]
    assert folder.pointer["changes"]["warnings"] == [WARNING]
    assert publication.new_warnings == publication.warnings


def test_still_warns_when_another_file_changed(folder):
    folder.publish({"a.py": dag("a", "import pandas")})
    publication = folder.publish({"b.py": dag("b")})
    assert publication.files_read == 1
    assert [str(each) for each in publication.warnings] == [WARNING]
    assert publication.new_warnings == ()


def test_stops_warning_when_the_package_is_available(folder):
    folder.publish({"a.py": dag("a", "import pandas")})
    report = EnvironmentReport(frozenset({"pandas"}))
    folder.s3.put(environment_key(RELEASES), report.to_bytes())
    assert folder.publish({"b.py": dag("b")}).warnings == ()
    assert "warnings" not in folder.pointer["changes"]


def test_does_not_warn_when_a_file_is_ignored(folder):
    publication = folder.publish({"a.py": dag("a", "import pandas"), ".airflowignore": "a.py"})
    assert publication.warnings == ()


@pytest.mark.parametrize("report", [None, b"", b'{"schema": 1, "packages": {}}'])
def test_does_not_warn_before_airflow_has_reported_its_packages(report):
    folder = DagFolder()
    if report is not None:
        folder.s3.put(environment_key(RELEASES), report)
    publication = folder.publish({"a.py": dag("a", "import pandas")})
    assert (publication.outcome, publication.warnings) == (Outcome.PUBLISHED, ())


def test_does_not_read_the_report_when_every_import_is_known(folder):
    folder.change({"a.py": dag("a", "import json, lib"), "lib/__init__.py": ""})
    folder.s3.requests.clear()
    folder.publisher().publish()
    assert ("get", environment_key(RELEASES)) not in folder.s3.requests
