"""What cannot be part of a release stays out, the rest goes live, and each exclusion is reported.

The folders of the reports that led to this are rebuilt here, with siblings of each.
"""

import pytest
from dag_folder import RELEASES, DagFolder, broken, dag
from in_memory_s3 import InMemoryS3
from s3_faults import KilledError, at, raising

from contracts.release_pack import pack
from contracts.release_reports import EnvironmentReport, environment_key
from publish_dags.checks.limits import Limits
from publish_dags.history.promotion import Promoter
from publish_dags.publisher import Outcome

LATIN = "# grüße\nfrom airflow.sdk import DAG\nwith DAG('latin_comment'):\n    pass\n".encode(
    "latin-1"
)
PYTHON_2 = b'from pyspark import SparkContext\nprint "rows", 3\n'


@pytest.fixture
def folder():
    return DagFolder()


@pytest.fixture
def strict():
    return DagFolder(strict=True)


def warned(publication):
    return [str(each) for each in publication.warnings]


def test_publishes_the_other_files_when_one_does_not_compile(folder):
    publication = folder.publish({"bad.py": broken(7), "good.py": dag("good"), "a.csv": "1"})
    assert publication.outcome is Outcome.PUBLISHED
    assert set(folder.current_files) == {"good.py", "a.csv"}
    (exclusion,) = publication.exclusions
    assert (exclusion.path, exclusion.line, exclusion.kept) == ("bad.py", 7, "")
    assert str(exclusion) == (
        "bad.py, line 7: SyntaxError: invalid syntax; the file is not in the release"
    )
    assert folder.report(f"{RELEASES}{publication.release}.exclusions.json") == {
        "schema": 1,
        "release": publication.release,
        "exclusions": [
            {"path": "bad.py", "line": 7, "reason": "SyntaxError: invalid syntax", "kept": None}
        ],
    }
    assert folder.pointer["changes"]["excluded"] == [str(exclusion)]


def test_keeps_the_last_good_version_when_a_changed_file_does_not_compile(folder):
    first = folder.publish({"a.py": dag("a"), "b.py": dag("b")}).release
    second = folder.publish({"a.py": broken(), "b.py": dag("b", "x = 2")})
    assert folder.current_files == {"a.py": dag("a"), "b.py": dag("b", "x = 2")}
    assert second.exclusions[0].kept == first
    assert f"the file's version of release {first} stays live" in str(second.exclusions[0])
    # Later releases still say where it comes from, without reading the file again.
    folder.s3.requests.clear()
    third = folder.publish({"b.py": dag("b", "x = 3")})
    assert ("get", "dags/a.py") not in folder.s3.requests
    assert third.exclusions == second.exclusions
    assert third.new_exclusions == ()
    assert folder.current_files["a.py"] == dag("a")
    # Another fault in the same file, then a version that compiles.
    assert folder.publish({"a.py": broken(9)}).exclusions[0].line == 9
    assert folder.current_files["a.py"] == dag("a")
    assert folder.publish({"a.py": dag("a", "x = 4")}).exclusions == ()
    assert folder.current_files["a.py"] == dag("a", "x = 4")
    assert folder.exclusions == {}


def test_drops_the_kept_version_when_the_file_is_deleted(folder):
    folder.publish({"a.py": dag("a"), "b.py": dag("b")})
    folder.publish({"a.py": broken()})
    publication = folder.publish({"a.py": None})
    assert publication.exclusions == ()
    assert set(folder.current_files) == {"b.py"}


def test_keeps_the_last_good_version_when_the_broken_text_names_no_dag(folder):
    """Airflow would not parse the new text, but the file is a DAG file."""
    folder.publish({"a.py": dag("a")})
    publication = folder.publish({"a.py": "def f(:\n"})
    assert [each.path for each in publication.exclusions] == ["a.py"]
    assert folder.current_files == {"a.py": dag("a")}


def test_keeps_the_last_good_version_of_a_module_that_a_dag_imports(folder):
    folder.publish({"a.py": dag("a", "from lib.tables import T"), "lib/tables.py": "T = 1"})
    publication = folder.publish({"lib/tables.py": "T ="})
    assert [each.path for each in publication.exclusions] == ["lib/tables.py"]
    assert folder.current_files["lib/tables.py"] == b"T = 1"


@pytest.mark.parametrize("again", [{}, {"other.py": dag("other")}])
def test_publishes_one_release_when_the_same_fault_is_seen_again(folder, again):
    folder.publish({"a.py": dag("a"), "bad.py": broken()})
    outcome = folder.publish(again).outcome
    assert outcome is (Outcome.PUBLISHED if again else Outcome.UNCHANGED)
    assert list(folder.exclusions) == ["bad.py"]
    assert len(folder.s3.keys(f"{RELEASES}2")) == (4 if again else 2)


def test_reports_a_new_bad_file_when_nothing_else_changed(folder):
    first = folder.publish({"a.py": dag("a")}).release
    publication = folder.publish({"bad.py": broken()})
    assert (publication.outcome, publication.release != first) == (Outcome.PUBLISHED, True)
    assert list(folder.exclusions) == ["bad.py"]


def test_a_rollback_shows_what_stayed_out_then(folder):
    first = folder.publish({"a.py": dag("a"), "bad.py": broken()}).release
    folder.publish({"bad.py": None, "b.py": dag("b")})
    Promoter(folder.publisher()).promote(first, "alice", hold=False)
    assert folder.pointer["changes"]["excludedFiles"] == 1
    assert list(folder.exclusions) == ["bad.py"]


def test_publishes_an_empty_release_when_no_file_is_good(folder):
    assert folder.publish({"bad.py": broken()}).outcome is Outcome.PUBLISHED
    assert folder.current_files == {}
    assert list(folder.exclusions) == ["bad.py"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (LATIN, 1),
        (dag("a") + b"# \xff\n", 4),
        (b"# coding: latin-1\n" + dag("a") + b"# \xe9\n", 5),
        (dag("a") + b"x = '\x00'\n", None),
    ],
)  # fmt: skip
def test_finds_bytes_that_airflow_cannot_read_before_they_go_live(folder, source, line):
    publication = folder.publish({"a.py": source, "good.py": dag("good")})
    assert set(folder.current_files) == {"good.py"}
    (exclusion,) = publication.exclusions
    assert (exclusion.path, exclusion.line) == ("a.py", line)


def test_a_module_in_a_declared_encoding_goes_live(folder):
    source = "# coding: latin-1\n# for airflow dags\nNAME = 'é'\n".encode("latin-1")
    assert folder.publish({"lib.py": source}).exclusions == ()


@pytest.mark.parametrize(
    ("length", "out"), [(251, False), (252, True), (255, True)], ids=lambda value: str(value)
)
def test_a_dag_file_stays_out_when_airflow_cannot_log_its_name(folder, length, out):
    name = "n" * (length - 3) + ".py"
    folder.publish({name: dag("odd"), "good.py": dag("good")})
    assert (name in folder.exclusions, name not in folder.current_files) == (out, out)
    assert "good.py" in folder.current_files
    if out:
        assert "cannot create its log file" in folder.exclusions[name]


def test_other_files_may_have_names_that_airflow_cannot_log(folder):
    files = {"n" * 250 + ".json": "{}", "m" * 250 + ".py": "X = 1"}
    assert folder.publish(files).exclusions == ()
    assert set(folder.current_files) == set(files)
    (exclusion,) = folder.publish({"z" * 251 + ".zip": b"PK"}).exclusions
    assert "cannot create its log file" in exclusion.reason


@pytest.mark.parametrize("mode", ["folder", "strict"])
@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("jobs/old_job.py", PYTHON_2),
        ("templates/report.py", b"{% for x in y %}\n"),
        ("jobs/latin.py", "# grüße\n".encode("latin-1")),
        ("jobs/nul.py", b"\0"),
    ],
)
def test_carries_a_file_along_when_airflow_never_parses_it(request, mode, path, source):
    folder = request.getfixturevalue(mode)
    publication = folder.publish({path: source, "good.py": dag("good")})
    assert publication.outcome is Outcome.PUBLISHED
    assert publication.exclusions == ()
    assert folder.current_files == {path: source, "good.py": dag("good")}
    (warning,) = warned(publication)
    assert warning.startswith(path)
    assert "Airflow does not parse this file" in warning
    # Neither read again nor notified again, but still in the history.
    folder.s3.requests.clear()
    again = folder.publish({"good.py": dag("good", "x = 2")})
    assert ("get", f"dags/{path}") not in folder.s3.requests
    assert (warned(again), again.new_warnings) == ([warning], ())


@pytest.mark.parametrize("mode", ["folder", "strict"])
def test_carries_a_script_along_when_a_dag_imports_a_module_beside_it(request, mode):
    folder = request.getfixturevalue(mode)
    files = {
        "team/a.py": dag("a", "import team.lib\nfrom team.jobs import settings"),
        "team/lib.py": "X = 1",
        "team/jobs/settings.py": "X = 1",
        "team/jobs/old_job.py": PYTHON_2,
    }
    publication = folder.publish(files)
    assert (publication.outcome, publication.exclusions) == (Outcome.PUBLISHED, ())
    assert [each.path for each in publication.warnings] == ["team/jobs/old_job.py"]


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        ("import lib", "lib.py"),
        ("import lib", "lib/__init__.py"),
        ("from lib import tables", "lib/tables.py"),
        ("from lib.tables import ORDERS", "lib/tables.py"),
        ("from lib.tables import ORDERS", "lib/__init__.py"),
        # The DAG has added the folder to sys.path.
        ("import tables", "team/lib/tables.py"),
        ("from lib.tables import *", "team/lib/tables.py"),
    ],
)
def test_refuses_a_broken_module_that_a_dag_imports_when_strict(strict, statement, path):
    files = {"a.py": dag("a", statement), path: "X =", "lib/beside.py": PYTHON_2}
    publication = strict.publish(files)
    assert [each.path for each in publication.problems] == [path]


def test_replaces_a_script_when_its_new_text_does_not_compile(folder):
    folder.publish({"jobs/job.py": "x = 1", "good.py": dag("good")})
    publication = folder.publish({"jobs/job.py": PYTHON_2})
    assert publication.exclusions == ()
    assert folder.current_files["jobs/job.py"] == PYTHON_2


def test_carries_a_broken_module_along_when_there_is_no_good_version(folder, strict):
    files = {"a.py": dag("a", "import lib"), "lib.py": "T ="}
    assert warned(folder.publish(files))[0].startswith("lib.py, line 1: SyntaxError")
    assert set(folder.current_files) == {"a.py", "lib.py"}
    # It certainly breaks the DAG, so strict mode refuses it.
    assert strict.publish(files).outcome is Outcome.REFUSED


def test_one_of_two_copies_goes_live_with_everything_else(folder):
    files = {"orders.py": dag("orders"), "orders_past.py": dag("orders"), "other.py": dag("other")}
    publication = folder.publish(files)
    assert set(folder.current_files) == {"orders.py", "other.py"}
    assert [str(each) for each in publication.exclusions] == [
        "orders_past.py, line 3: the DAG 'orders' is also in orders.py, line 3, which comes first "
        "by path; the file is not in the release"
    ]
    # The first by path is live by now, which is not news.
    again = folder.publish({"other.py": dag("other", "x = 2")})
    assert again.exclusions == publication.exclusions
    assert again.new_exclusions == ()


def test_the_copy_that_was_live_wins(folder):
    folder.publish({"orders.py": dag("orders")})
    folder.publish({"a_copy.py": dag("orders")})
    assert set(folder.current_files) == {"orders.py"}
    assert folder.exclusions == {
        "a_copy.py": "the DAG 'orders' is also in orders.py, line 3, which was live with it"
    }
    # Still so when both change, and when the publisher has looked away.
    folder.publish({"a_copy.py": dag("orders", "x = 2"), "orders.py": dag("orders", "x = 2")})
    assert folder.current_files == {"orders.py": dag("orders", "x = 2")}


def test_a_copy_goes_live_when_the_other_one_is_gone(folder):
    folder.publish({"orders.py": dag("orders"), "z.py": dag("orders"), "other.py": dag("other")})
    folder.s3.requests.clear()
    folder.publish({"other.py": dag("other", "x = 2")})
    assert ("get", "dags/z.py") not in folder.s3.requests
    publication = folder.publish({"orders.py": None})
    assert publication.exclusions == ()
    assert set(folder.current_files) == {"z.py", "other.py"}
    assert folder.manifest(publication.release)["files"]["z.py"]["dags"] == {"orders": 3}


def test_keeps_the_last_good_version_of_a_file_that_takes_the_dag_of_another(folder):
    folder.publish({"a.py": dag("a"), "b.py": dag("b")})
    folder.publish({"a.py": dag("b")})
    assert folder.current_files == {"a.py": dag("a"), "b.py": dag("b")}
    assert "the DAG 'b' is also in b.py" in folder.exclusions["a.py"]


def test_two_files_that_swap_their_dags_at_once_stay_consistent(folder):
    folder.publish({"a.py": dag("a"), "b.py": dag("b")})
    folder.publish({"a.py": dag("b"), "b.py": dag("a")})
    ids = sorted(
        dag_id
        for file in folder.manifest(folder.pointer["release"])["files"].values()
        for dag_id in file["dags"]
    )
    assert ids == sorted(set(ids))


def test_names_the_other_dags_that_stay_out_with_a_copy(folder):
    two = dag("x").decode() + "other = DAG('y')\n"
    folder.publish({"a.py": dag("x"), "b.py": two})
    assert folder.exclusions["b.py"].endswith("stays out with its other DAGs 'y'")


def test_a_file_that_stays_out_does_not_take_a_dag_from_another(folder):
    """a.py loses x to the live b.py, so c.py is no copy of it."""
    folder.publish({"b.py": dag("x")})
    folder.publish({"a.py": dag("x").decode() + "other = DAG('y')\n", "c.py": dag("y")})
    assert set(folder.current_files) == {"b.py", "c.py"}
    assert list(folder.exclusions) == ["a.py"]


ODD = [
    ("/good.py", b"x", "the path contains an empty folder name"),
    ("a//b.py", b"x", "the path contains an empty folder or file name"),
    ("team\\a.py", b"x", "the path contains a backslash"),
    ("../a.py", b"x", "the path contains '..'"),
    ("x\ny.py", b"x", "the path contains a control character"),
    ("folder/", b"not empty", "the path contains an empty folder or file name"),
    ("pkg.ZIP", b"PK", "Airflow reads a zip file only if its name ends in .zip in lower case"),
    ("n" * 256, b"x", "the path contains a name longer than 255 bytes"),
]


@pytest.mark.parametrize(("path", "data", "reason"), ODD)
def test_skips_an_odd_key_and_quotes_it(folder, path, data, reason):
    publication = folder.publish({path: data, "other.py": dag("other")})
    assert publication.outcome is Outcome.PUBLISHED
    assert set(folder.current_files) == {"other.py"}
    shown = f"dags/{path}".replace("\n", "\\x0a")
    assert folder.exclusions == {shown: reason}
    assert ("get", f"dags/{path}") not in folder.s3.requests
    assert folder.publish().outcome is Outcome.UNCHANGED


@pytest.mark.parametrize(("path", "data", "reason"), ODD)
def test_refuses_an_odd_key_when_strict(strict, path, data, reason):
    publication = strict.publish({path: data})
    assert (publication.outcome, publication.problems[0].reason) == (Outcome.REFUSED, reason)


@pytest.mark.parametrize("mode", ["folder", "strict"])
@pytest.mark.parametrize("marker", ["team", "team_$folder$", "team/deep", "empty_$folder$"])
def test_skips_a_folder_marker_with_a_warning(request, mode, marker):
    folder = request.getfixturevalue(mode)
    publication = folder.publish({marker: b"", "team/deep/a.py": dag("a")})
    assert set(folder.current_files) == {"team/deep/a.py"}
    assert warned(publication) == [
        f"dags/{marker}: is an empty object that marks a folder, so it is skipped"
    ]


@pytest.mark.parametrize("path", ["", "team/", "__pycache__/a.pyc", "team/__pycache__/b.pyc"])
def test_says_nothing_of_the_markers_of_the_console_and_of_bytecode(folder, path):
    publication = folder.publish({path: b"", "a.py": dag("a")})
    assert (publication.warnings, publication.exclusions) == ((), ())
    assert set(folder.current_files) == {"a.py"}


def test_a_folder_wins_over_a_file_of_its_name(folder):
    folder.publish({"team": b"x", "team/a.py": dag("a")})
    assert set(folder.current_files) == {"team/a.py"}
    assert folder.exclusions == {"dags/team": "the path is also that of a folder"}


def test_a_live_file_wins_over_a_folder_of_its_name(folder):
    folder.publish({"team": b"x"})
    folder.publish({"team/a.py": dag("a"), "team/deep/b.py": dag("b")})
    assert set(folder.current_files) == {"team"}
    assert set(folder.exclusions) == {"dags/team/a.py", "dags/team/deep/b.py"}


def test_keeps_the_former_rules_when_an_ignore_file_cannot_be_read(folder):
    folder.publish({".airflowignore": "old/\n", "old/a.py": dag("a"), "a.py": dag("a")})
    publication = folder.publish({".airflowignore": b"\xff"})
    assert [each.path for each in publication.exclusions] == [".airflowignore"]
    assert folder.current_files[".airflowignore"] == b"old/\n"
    assert "old/a.py" in folder.current_files


def test_leaves_a_first_ignore_file_out_when_it_cannot_be_read(folder):
    folder.publish({".airflowignore": "[z-a]\n!\n", "a.py": dag("a")})
    assert set(folder.current_files) == {"a.py"}


def test_a_file_is_checked_when_it_is_ignored_no_longer(folder):
    folder.publish({".airflowignore": "old/\n", "old/b.py": broken(), "old/c.py": dag("c")})
    assert folder.exclusions == {}
    folder.publish({".airflowignore": "other/\n"})
    assert list(folder.exclusions) == ["old/b.py"]
    folder.publish({".airflowignore": "old/\n"})
    assert folder.exclusions == {}
    assert "old/b.py" in folder.current_files


@pytest.mark.parametrize("path", ["lib/tables.py", "dag.py"])
def test_refuses_when_too_much_stays_in(path):
    """Versions that stay in count, too: every task has to store them."""
    folder = DagFolder(limits=Limits(files=10, total_bytes=900))
    folder.publish({path: dag("a") + b"#" * 500})
    publication = folder.publish({path: broken(), "b.py": dag("b") + b"#" * 500})
    assert publication.outcome is Outcome.REFUSED
    assert set(folder.current_files) == {path}


def test_publishes_what_was_refused_when_the_mode_changes(folder):
    folder.strict = True
    folder.publish({"bad.py": broken(), "good.py": dag("good")})
    assert folder.publisher().publish(again=False).known
    folder.strict = False
    assert folder.publisher().publish(again=False).outcome is Outcome.PUBLISHED
    assert set(folder.current_files) == {"good.py"}
    assert folder.s3.keys(f"{RELEASES}refused") == []


def test_publishes_without_the_kept_version_when_the_current_release_is_lost(folder):
    folder.publish({"a.py": dag("a"), "b.py": dag("b")})
    for key in folder.s3.keys(f"{RELEASES}2"):
        folder.s3.put(key, b"rubbish")
    folder.publish({"a.py": broken()})
    assert set(folder.current_files) == {"b.py"}


def test_reads_a_release_of_an_earlier_publisher_again(folder):
    """Its checks found something else in the same files, such as a DAG of another package."""
    release = folder.publish({"a.py": dag("a"), "b.csv": "1"}).release
    old = folder.publisher().releases.release(release)
    document = old.manifest.as_document()
    for name in ("exclusions", "scripts", "checks"):
        del document[name]
    document["files"]["a.py"]["dags"] = {"foreign": 1}
    folder.s3.put(f"{RELEASES}{release}.gz", pack(document, dict(old.delta)))
    publication = folder.publish({"c.csv": "1"})
    assert publication.files_read == 2
    assert folder.manifest(publication.release)["files"]["a.py"]["dags"] == {"a": 3}


def test_retention_removes_the_report_with_its_release(folder):
    releases = [
        folder.publish({"bad.py": broken(), "a.py": dag("a", f"x = {n}")}).release for n in range(4)
    ]
    folder.s3.clock.sleep(3600)
    folder.report_use()
    assert folder.retention(count=2).retire().releases == tuple(releases[:2])
    left = {key.split("/")[1].split(".")[0] for key in folder.s3.keys(f"{RELEASES}2")}
    assert left == set(releases[2:])


STEPS = [(when, number) for number in range(12) for when in ("before", "after")]


@pytest.mark.parametrize(("when", "number"), STEPS)
def test_next_publisher_finishes_when_one_was_killed_over_exclusions(when, number):
    folder = DagFolder()
    old = {"a.py": dag("a"), "b.py": dag("b")}
    folder.publish(dict(old))
    folder.change({"a.py": broken(), "b.py": dag("b", "x = 2"), "c.py": dag("b"), "/d.py": b""})
    new = old | {"b.py": dag("b", "x = 2")}
    folder.s3.fault = at(number, when, raising(KilledError()))
    try:
        folder.publisher().publish()
    except KilledError:
        assert folder.current_files in (old, new)
    folder.s3.fault = lambda *_: None
    folder.publisher().publish()
    assert folder.current_files == new
    assert set(folder.exclusions) == {"a.py", "c.py", "dags//d.py"}
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED


def healthy(number):
    return f"team_{number % 23}/dag_{number}.py", dag(f"healthy_{number}")


FAULTS = [
    lambda n: (f"faults/syntax_{n}.py", broken(n + 3)),
    lambda n: (f"faults/latin_{n}.py", dag(f"latin_{n}") + b"# \xe9\n"),
    lambda n: (f"faults/null_{n}.py", dag(f"null_{n}") + b"\0"),
    lambda n: (f"z_old/copy_{n}.py", dag(f"healthy_{n}")),
    lambda n: ("n" * 250 + f"{n}.py", dag(f"long_{n}")),
    lambda n: (f"/slash_{n}.py", dag(f"slash_{n}")),
    lambda n: (f"back\\slash_{n}.py", dag(f"back_{n}")),
    lambda n: (f"pkg_{n}.ZIP", b"PK"),
    lambda n: (f"faults/indent_{n}.py", dag(f"indent_{n}") + b"def f():\npass\n"),
    lambda n: (f"../out_{n}.py", dag(f"out_{n}")),
]


def messy_folder():
    files = dict(healthy(number) for number in range(460))
    files |= dict(fault(number) for fault in FAULTS for number in range(4))
    assert len(files) == 500
    return files


def test_460_healthy_files_go_live_beside_40_faults_of_all_kinds(folder):
    files = messy_folder()
    publication = folder.publish(files)
    assert publication.outcome is Outcome.PUBLISHED
    assert folder.current_files == dict(healthy(number) for number in range(460))
    assert len(publication.exclusions) == len(folder.exclusions) == 40
    assert publication.warnings == ()
    # And again with the next change: one file is read, and the same 40 are reported.
    again = folder.publish({"team_3/dag_3.py": dag("healthy_3", "x = 2")})
    assert again.files_read == 1
    assert again.exclusions == publication.exclusions
    assert len(folder.current_files) == 460


def test_requests_do_not_grow_with_the_files_that_stay_out(folder):
    folder.publish(messy_folder())
    folder.s3.requests.clear()
    publication = folder.publish({"team_3/dag_3.py": dag("healthy_3", "x = 2")})
    release = f"{RELEASES}{publication.release}"
    assert [key for operation, key in folder.s3.requests if operation == "put"] == [
        f"{release}.exclusions.json", f"{release}.gz", f"{RELEASES}current.json",
    ]  # fmt: skip
    assert len(folder.s3.requests) < 10


def test_a_messy_zip_goes_live_as_a_messy_folder_does(folder):
    files = {path: data for path, data in messy_folder().items() if len(path) < 255}
    folder.upload(files)
    publication = folder.publish()
    assert folder.current_files == dict(healthy(number) for number in range(460))
    assert len(publication.exclusions) == 40


def test_names_the_provider_that_the_image_lacks():
    folder = DagFolder(InMemoryS3())
    known = frozenset(
        {"airflow", "airflow.providers.standard", "airflow.providers.cncf.kubernetes"}
    )
    folder.s3.put(environment_key(RELEASES), EnvironmentReport(known).to_bytes())
    text = (
        "from airflow.providers.docker.operators.docker import DockerOperator\n"
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator\n"
        "from airflow.providers.apache.spark.operators import spark_submit\n"
    )
    publication = folder.publish(
        {"d.py": dag("d", text), "jobs/glue.py": "import awsglue", "jobs/dbt.py": "import dbt"}
    )
    assert warned(publication) == [
        "d.py, line 2: imports 'airflow.providers.docker', which the image does not have "
        "(apache-airflow-providers-docker)",
        "d.py, line 5: imports 'airflow.providers.apache.spark', which the image does not have "
        "(apache-airflow-providers-apache-spark)",
    ]
