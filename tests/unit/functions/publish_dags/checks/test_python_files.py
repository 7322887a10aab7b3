"""Which Python files prevent a release from being published."""

import warnings

import pytest

from publish_dags.checks.problems import Problem
from publish_dags.checks.python_files import examine_source, without_syntax_warnings


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        (b"x = 1\ndef f(:\n    pass\n", 2, "SyntaxError"),
        (b"def f():\npass\n", 2, "IndentationError: expected an indented block"),
        (b"if True:\n\tx = 1\n        y = 2\n", 3, "TabError"),
        (b"x = 1\x00\n", None, "null bytes"),
        (b"# coding: nonsense\n", None, "SyntaxError: unknown encoding"),
        (b"x = '\xff'\n", 1, "SyntaxError"),
        (b"return 1\n", 1, "'return' outside function"),
    ],
)
def test_reports_line_and_reason_when_a_file_does_not_compile(source, line, reason):
    problem = examine_source("a.py", source).problem
    assert problem is not None
    assert reason in problem.reason
    if line is not None:
        assert problem.line == line


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"import module_that_does_not_exist_anywhere\n",
        b"raise SystemExit('compiling must not run this')\n",
        b"# coding: latin-1\nx = '\xff'\n",
        b"\xef\xbb\xbfx = 1\n",
    ],
)
def test_finds_nothing_when_a_file_compiles(source):
    assert examine_source("a.py", source).problem is None


@pytest.mark.parametrize(
    "source", [b"x = " + b"(" * 5000 + b")" * 5000, b"x = " + b"-" * 100_000 + b"1"]
)
def test_reports_an_expression_that_is_nested_too_deeply(source):
    assert examine_source("a.py", source) is not None


def test_prints_no_warning_about_an_invalid_escape_in_a_dag():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with without_syntax_warnings():
            assert examine_source("a.py", b"x = '\\d'\n").problem is None
    assert seen == []


def test_problem_is_readable_when_printed():
    assert str(Problem("a/b.py", "SyntaxError: no", 3)) == "a/b.py, line 3: SyntaxError: no"
    assert str(Problem("a/b.py", "the path is odd")) == "a/b.py: the path is odd"
