"""Projects with something that must not go live: each ends with status 1, and says where and why.

What needs Airflow is in one project, because each run of Airflow takes seconds.
"""

from pathlib import Path

import pytest
from checked_projects import GOOD_DAG, GOOD_FILES, GOOD_TEST, Checked, check_dags, write
from waiting import slowness

DAG = "from airflow.sdk import DAG\n"
# An import takes half a second on a calm machine.
SECONDS = round(4 * slowness())
# "airflow" and "dag" in the text are what makes a file one that Airflow imports.
BAD_FILES = {
    "dags/good.py": GOOD_DAG,
    "dags/syntax.py": DAG + "with DAG('syntax'\n",
    "dags/missing.py": DAG + "import no_such_package\n",
    "dags/helper.py": "def load():\n    raise RuntimeError('no answer')\n",
    "dags/indirect.py": DAG + "\nfrom helper import load\n\nload()\n",
    # What a signal cannot end: it is blocked.
    "dags/hangs.py": DAG + "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, "
    "signal.valid_signals())\nprint('waiting for the warehouse')\n"
    "import subprocess\nsubprocess.run(['sleep', '3600'])\n",
    "dags/eats.py": DAG + "data = []\nwhile True:\n    data.append(bytearray(1_000_000_000))\n",
    "dags/exits.py": DAG + "import os\nos._exit(0)\n",
    "dags/killed.py": DAG + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "dags/unstorable.py": DAG
    + "from airflow.timetables.simple import NullTimetable\nclass Own(NullTimetable):\n    pass\n"
    "dag = DAG('unstorable', schedule=Own())\n",
    "dags/cycle.py": DAG + "from airflow.providers.standard.operators.empty import EmptyOperator\n"
    "with DAG('cycle', schedule=None):\n    a, b = (EmptyOperator(task_id=t) for t in 'ab')\n"
    "    a >> b >> a\n",
    "dags/copy_one.py": DAG + "name = 'twice'\ndag = DAG(name, schedule=None)\n",
    "dags/copy_two.py": DAG + "name = 'twi' + 'ce'\ndag = DAG(name, schedule=None)\n",
    "dags/removed.py": DAG + "dag = DAG('removed', schedule_interval=None)\n",
    "dags/reads.py": DAG + "import os\nassert 'AWS_SECRET_ACCESS_KEY' not in os.environ\n"
    "assert os.environ['AIRFLOW_VAR_REGION'] == 'eu-central-1'\n"
    "dag = DAG('reads', schedule=None)\n",
    "dags/unruly.py": DAG + "from airflow.providers.standard.operators.empty import EmptyOperator\n"
    "import time\ntime.sleep(0.2)\n"
    "with DAG('Unruly', schedule=None):\n    EmptyOperator(task_id='a')\n",
    "tests/test_good.py": GOOD_TEST
    + "\n\ndef test_is_rude():\n    assert greeting('you') == 'Go'\n",
    "tests/test_broken.py": "import no_such_package\n",
    "check-dags.toml": f"""\
[environment]
AIRFLOW_VAR_REGION = "eu-central-1"
[imports]
seconds = {SECONDS}
memory_mib = 300
[rules]
owner = true
tags = 1
retries = 1
dag_id = "[a-z]+"
import_seconds = 0.1
[gate]
coverage = 99
""",
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    project = write(tmp_path_factory.mktemp("bad"), BAD_FILES)
    return check_dags(project, AWS_SECRET_ACCESS_KEY="not for DAGs")


def test_bad_project_ends_with_status_1(bad):
    assert bad.status == 1, bad.output


@pytest.mark.parametrize(
    ("rule", "place", "reason"),
    [
        ("invalid-syntax", "dags/syntax.py:3", ""),
        ("release-problem", "dags/syntax.py:2", "'(' was never closed"),
        ("import-error", "dags/syntax.py:2", "SyntaxError"),
        ("import-error", "dags/missing.py:2", "No module named 'no_such_package'"),
        ("release-warning", "dags/missing.py:2", "imports 'no_such_package', which the image"),
        ("import-error", "dags/helper.py:2", "RuntimeError: no answer"),
        ("import-time", "dags/hangs.py", "it printed: waiting for the warehouse"),
        ("import-memory", "dags/eats.py:4", "more than 300 MiB"),
        ("import-ended", "dags/exits.py", "exit status 0"),
        ("import-ended", "dags/killed.py", "SIGKILL"),
        ("import-error", "dags/unstorable.py", "Own"),
        ("import-error", "dags/cycle.py", "Cycle"),
        ("repeated-dag", "dags/copy_two.py", "'twice' is also in dags/copy_one.py"),
        ("AIR301", "dags/removed.py:2", "schedule_interval"),
        ("rule-owner", "dags/unruly.py:5", "'Unruly' has tasks without an owner"),
        ("rule-tags", "dags/unruly.py:5", "has 0 tags, and needs 1"),
        ("rule-retries", "dags/unruly.py:5", "0 retries, and needs 1: a"),
        ("rule-dag-id", "dags/unruly.py:5", "does not match [a-z]+"),
        ("rule-import-seconds", "dags/unruly.py", "0.1 s are allowed"),
        ("test-failed", "tests/test_good.py:9", "test_is_rude failed"),
        ("test-broken", "tests/test_broken.py", "No module named 'no_such_package'"),
        ("coverage", "", "99 % are required"),
    ],
)
def test_bad_input_is_reported_with_its_place(bad, rule, place, reason):
    lines = [line for line in bad.lines(rule) if line.startswith(f"{place}: " if place else "")]
    assert [line for line in lines if reason in line], bad.output
    results = [each for each in bad.sarif["runs"][0]["results"] if each["ruleId"] == rule]
    assert results


def test_files_without_a_fault_are_not_blamed(bad):
    blamed = [line for line in bad.output.splitlines() if ": error:" in line]
    assert not [line for line in blamed if line.startswith(("dags/good.py", "dags/reads.py"))
                and "[rule-" not in line]  # fmt: skip


def test_junit_has_the_failures(bad):
    failed = {
        (case.get("classname"), case.get("file"))
        for case in bad.junit.iter("testcase")
        if case.find("failure") is not None
    }
    assert ("import", "dags/hangs.py") in failed
    assert ("tests", "tests/test_good.py") in failed


def test_process_that_an_import_started_is_ended(bad, tmp_path):
    running = [
        path.read_bytes().split(b"\0")
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if _readable(path)
    ]
    assert [b"sleep", b"3600", b""] not in running


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


WITHOUT_AIRFLOW = ("--skip", "release", "--skip", "import", "--skip", "rules")
ONLY_SECURITY = (*WITHOUT_AIRFLOW, "--skip", "tests", "--skip", "lint")

WEAK = "import subprocess\n\n\ndef run(text):\n    subprocess.call(text, shell=True)\n"


def test_missing_folder_of_tests_is_a_failure(tmp_path):
    project = write(tmp_path, {"dags/good.py": GOOD_DAG})
    checked = check_dags(project, *WITHOUT_AIRFLOW)
    assert checked.status == 1
    assert checked.lines("tests-missing") == [
        "tests: error: there is no folder tests: create it, or name the folders of the tests in "
        "check-dags.toml ([tests] folders = [] if there are none) [tests-missing]"
    ]


def test_project_without_tests_says_so_in_its_settings(tmp_path):
    settings = "[tests]\nfolders = []\n"
    project = write(tmp_path, {"dags/good.py": GOOD_DAG, "check-dags.toml": settings})
    checked = check_dags(project, *WITHOUT_AIRFLOW)
    assert checked.status == 0, checked.output
    assert checked.outcome("tests") == "skipped"


def test_coverage_is_not_met_when_no_test_runs(tmp_path):
    settings = "[tests]\nfolders = []\n[gate]\ncoverage = 1\n"
    project = write(tmp_path, {"dags/good.py": GOOD_DAG, "check-dags.toml": settings})
    checked = check_dags(project, *WITHOUT_AIRFLOW)
    assert checked.status == 1
    assert checked.outcome("coverage") == "failed"


def test_new_security_finding_is_a_failure(tmp_path):
    project = write(tmp_path, {**GOOD_FILES, "dags/weak.py": WEAK})
    checked = check_dags(project, *ONLY_SECURITY)
    assert checked.status == 1
    assert [line.split(": ")[0] for line in checked.lines("B602")] == ["dags/weak.py:5"]
    assert "rating D" in checked.output


def test_security_finding_of_the_baseline_passes_and_a_second_one_does_not(tmp_path):
    project = write(tmp_path, {**GOOD_FILES, "dags/weak.py": WEAK})
    assert check_dags(project, "--write-baseline").status == 0
    # Lines that moved are the same finding.
    (project / "dags/weak.py").write_text(f"\n\n{WEAK}")
    checked = check_dags(project, *ONLY_SECURITY)
    assert checked.status == 0, checked.output
    (project / "dags/weak.py").write_text(f"{WEAK}\n\ndef again(text):\n    "
                                          "subprocess.call(text, shell=True)\n")  # fmt: skip
    checked = check_dags(project, *ONLY_SECURITY)
    assert checked.status == 1
    assert [line.split(": ")[0] for line in checked.lines("B602")] == ["dags/weak.py:9"]


def test_rating_of_the_settings_decides_what_passes(tmp_path):
    project = write(tmp_path, {**GOOD_FILES, "dags/weak.py": "import subprocess\n"})
    assert check_dags(project, *ONLY_SECURITY).status == 0
    write(project, {"check-dags.toml": '[gate]\nrating = "A"\n'})
    assert check_dags(project, *ONLY_SECURITY).status == 1


def test_baseline_that_cannot_be_read_accepts_nothing(tmp_path):
    project = write(tmp_path, {**GOOD_FILES, "check-dags-baseline.json": "[]"})
    checked = check_dags(project, *ONLY_SECURITY)
    assert checked.status == 2
    assert "is not a baseline" in checked.output


def test_unittest_runs_what_discovery_finds(tmp_path):
    tests = """\
import unittest


class Greetings(unittest.TestCase):
    def test_passes(self):
        self.assertTrue(True)

    def test_fails(self):
        self.assertEqual("a", "b")

    @unittest.skip("later")
    def test_is_skipped(self):
        self.fail()
"""
    files = {
        "dags/empty.py": "",
        "tests/__init__.py": "",
        "tests/test_unit.py": tests,
        "tests/test_import.py": "import no_such_package\n",
        "check-dags.toml": '[tests]\nrunner = "unittest"\n',
    }
    checked = check_dags(write(tmp_path, files), *WITHOUT_AIRFLOW)
    assert checked.status == 1
    first, second = sorted(checked.lines("test-failed"), reverse=True)
    assert first.startswith("tests/test_unit.py:9: error: tests.test_unit.Greetings.test_fails")
    assert "no_such_package" in second
    assert "4 tests" in checked.output


@pytest.mark.parametrize(
    ("test", "seconds", "rule"),
    [
        ("import os\n\ndef test_a():\n    os._exit(0)\n", 60, "tests-ended"),
        ("import time\n\ndef test_a():\n    time.sleep(3600)\n", 3, "test-time"),
        ("", 60, "tests-missing"),
    ],
    ids=["exits", "hangs", "has no test"],
)
def test_tests_that_do_not_end_as_tests_are_a_failure(tmp_path, test, seconds, rule):
    files = {"dags/empty.py": "", "tests/test_a.py": test}
    project = write(tmp_path, {**files, "check-dags.toml": f"[tests]\nseconds = {seconds}\n"})
    checked = check_dags(project, *WITHOUT_AIRFLOW)
    assert checked.status == 1
    assert checked.lines(rule), checked.output


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[import]\n", "import is unknown: write one of"),
        ("[rules]\nowners = true\n", "rules.owners is unknown: write one of owner"),
        ('[gate]\nrating = "E"\n', "gate.rating is 'E': write one of A, B, C, D"),
        ("[imports]\nseconds = -1\n", "imports.seconds is -1.0: write a number that is not neg"),
        ('[imports]\nseconds = "ten"\n', "imports.seconds is 'ten': write a number"),
        ("[rules]\ndag_id = '('\n", "rules.dag_id is not a regular expression"),
        ("[environment]\nPORT = 1\n", "environment.PORT is not a text"),
        ('skip = ["everything"]\n', "skip: everything is unknown"),
        ("rules = 1\n", "rules is not a table: write [rules]"),
        ("[rules\n", "is not valid TOML"),
    ],
)
def test_wrong_settings_end_with_status_2(tmp_path, settings, message):
    project = write(tmp_path, {**GOOD_FILES, "check-dags.toml": settings})
    checked = check_dags(project)
    assert checked.status == 2
    assert message in checked.output


def test_folder_that_does_not_exist_ends_with_status_2(tmp_path):
    assert check_dags(tmp_path).status == 2


def test_interpreter_without_airflow_is_a_failure(tmp_path):
    project = write(tmp_path, GOOD_FILES)
    checked = check_dags(project, "--python", "/nowhere/python", "--skip", "tests")
    assert checked.status == 1
    assert "/nowhere/python cannot be started" in checked.output


def test_rules_without_imports_are_a_failure(tmp_path):
    project = write(tmp_path, {**GOOD_FILES, "check-dags.toml": "[rules]\ntags = 1\n"})
    options = ("--skip", "release", "--skip", "import", "--skip", "tests", "--skip", "lint")
    checked = check_dags(project, *options)
    assert checked.status == 1
    assert checked.lines("rules") == ["error: rules need the check import [rules]"]
