"""Run the tests of a project with pytest or unittest, and write what became of each.

It runs with the interpreter of the image and reads a request from standard input:

    {"folder": …, "root": …, "tests": […], "runner": …, "arguments": […], "coverage": true or false,
     "memory_mib": …, "result": file for the answer}

pytest and coverage come from the checks' own environment, behind everything that the image has.
"""

import contextlib
import json
import os
import re
import resource
import sys
import time
import traceback
import unittest
from pathlib import Path
from typing import Any

MIB = 1024 * 1024


def main() -> None:
    request = json.load(sys.stdin)
    with contextlib.suppress(ImportError):
        from airflow_on_fargate import configuration  # type: ignore[import-not-found,unused-ignore]

        configuration.apply()
    limit = request["memory_mib"] * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # What the folder of the DAGs imports from itself, and the tests from the project.
    sys.path += [request["folder"], request["root"]]
    sys.path += [path for path in os.environ["CHECK_DAGS_TOOLS"].split(os.pathsep) if path]
    # Programs that a test starts find their packages as this process does.
    os.chdir(request["root"])
    measured = _start_coverage(request) if request["coverage"] else None
    run = _with_pytest if request["runner"] == "pytest" else _with_unittest
    answer = run(request)
    if measured is not None:
        measured.stop()
        answer["coverage"] = _covered(measured, request)
    Path(request["result"]).write_text(json.dumps(answer))


def _start_coverage(request: dict[str, Any]) -> Any:
    import coverage

    omitted = [f"{folder}/*" for folder in request["tests"]]
    measured = coverage.Coverage(
        data_file=None, config_file=False, source=[request["folder"]], omit=omitted
    )
    measured.start()
    return measured


def _covered(measured: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Lines that can run and lines that did, of all Python files of the folder."""
    import coverage

    target = Path(request["result"]).with_suffix(".coverage.json")
    try:
        measured.json_report(outfile=str(target), ignore_errors=True)
    except coverage.exceptions.NoDataError:
        return {"percent": 0.0, "files": {}}
    report = json.loads(target.read_text())
    files = {
        path: {"percent": each["summary"]["percent_covered"], "missing": each["missing_lines"]}
        for path, each in report["files"].items()
    }
    return {"percent": report["totals"]["percent_covered"], "files": files}


class _Observer:
    """A plugin of pytest."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self.broken: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        path, line, name = report.location
        test = self.tests.setdefault(
            report.nodeid,
            {"name": name, "path": path, "line": (line or 0) + 1, "outcome": "passed",
             "seconds": 0.0, "message": ""},
        )  # fmt: skip
        test["seconds"] += report.duration
        if report.failed:
            test |= {"outcome": "failed", "message": report.longreprtext}
            # The innermost line of the test's own file; an assertion may be in a library.
            if places := re.findall(rf"^{re.escape(path)}:(\d+)", report.longreprtext, re.M):
                test["line"] = int(places[-1])
        elif report.skipped and test["outcome"] == "passed":
            test["outcome"] = "skipped"

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.broken.append({"path": report.nodeid, "message": report.longreprtext})


def _with_pytest(request: dict[str, Any]) -> dict[str, Any]:
    import pytest

    observer = _Observer()
    options = ["-q", "-p", "no:cacheprovider", f"--rootdir={request['root']}"]
    # Every test, so that the report is complete.
    options.append("--continue-on-collection-errors")
    status = pytest.main([*options, *request["arguments"], *request["tests"]], plugins=[observer])
    return {"status": int(status), "tests": [*observer.tests.values()], "broken": observer.broken}


class _Result(unittest.TextTestResult):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.tests: list[dict[str, Any]] = []
        self.begun = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.begun = time.monotonic()

    def note(self, test: Any, outcome: str, error: Any = None) -> None:
        method = getattr(type(test), getattr(test, "_testMethodName", ""), None)
        code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
        path, line = (code.co_filename, code.co_firstlineno) if code else ("", 1)
        message = ""
        if error is not None:
            message = "".join(traceback.format_exception(*error))
            for frame in traceback.extract_tb(error[2]):
                if frame.filename == path:
                    line = frame.lineno or line
        self.tests.append(
            {"name": test.id(), "path": path, "line": line, "outcome": outcome,
             "seconds": time.monotonic() - self.begun if self.begun else 0.0, "message": message}
        )  # fmt: skip

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.note(test, "passed")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.note(test, "failed", err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.note(test, "failed", err)

    def addSubTest(self, test: unittest.TestCase, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failed", err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.note(test, "skipped")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.note(test, "passed")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.note(test, "failed")


def _with_unittest(request: dict[str, Any]) -> dict[str, Any]:
    suite = unittest.TestSuite()
    for folder in request["tests"]:
        # A loader remembers the first folder in which it looked.
        suite.addTest(unittest.TestLoader().discover(folder, top_level_dir=_top_level(folder)))
    runner = unittest.TextTestRunner(resultclass=_Result, verbosity=0)
    result = runner.run(suite)
    assert isinstance(result, _Result)
    failed = not result.wasSuccessful()
    return {"status": int(failed), "tests": result.tests, "broken": []}


def _top_level(folder: str) -> str:
    """The folder above the packages to which a folder of tests belongs."""
    top = Path(folder)
    while (top / "__init__.py").exists():
        top = top.parent
    return str(top)


if __name__ == "__main__":
    main()
