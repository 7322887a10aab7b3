"""Which files may give other DAGs from the same source, and what a parse depends on."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from airflow_on_fargate.releases.parse_inputs import Inputs, ParseInputs

STEADY = """
import os
from datetime import datetime, timedelta
from pathlib import Path
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Variable, dag, task
from airflow.providers.http.hooks.http import HttpHook
import pandas, requests, random

HERE = os.path.dirname(__file__)
SQL = Path(__file__).parent / "sql"

def in_a_task():
    return Variable.get("a"), os.environ["B"], requests.get("c"), datetime.now(), open("d").read()

def also_in_a_task():
    return HttpHook().run(str(random.random()))

@dag(schedule="@daily", start_date=datetime(2026, 1, 1))
def made():
    @task
    def first():
        return pandas.DataFrame(requests.get("x").json())

    @task.branch(retries=3)
    def second(value):
        return Variable.get("b")

    second(first())
    PythonOperator(task_id="third", python_callable=in_a_task, on_failure_callback=[also_in_a_task])

made()
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return tmp_path


def write(release: Path, **files: str) -> ParseInputs:
    """Of a release with these files; `__` in a name is a slash, `package` an `__init__.py`."""
    for name, text in files.items():
        name = name.replace("__", "/").replace("package", "__init__")
        path = release / (name + ".py" * ("." not in name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    hashes = {
        str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in release.rglob("*")
        if path.is_file()
    }
    return ParseInputs(release, hashes)


def inputs(release: Path, path: str = "dag.py", **files: str) -> Inputs:
    found = write(release, **files).of(path)
    assert found
    return found


def test_file_whose_tasks_alone_look_outside_is_not_dynamic(release: Path) -> None:
    assert inputs(release, dag=STEADY).dynamic == ""


@pytest.mark.parametrize(
    "line",
    [
        "Variable.get('a')",
        "V.get('a')",
        "airflow.models.Variable.get('a')",
        "BaseHook.get_connection('a')",
        "HttpHook()",
        "Connection.get('a')",
        "os.environ['A']",
        "os.getenv('A')",
        "environment['A']",
        "o.cpu_count()",
        "os.path.exists('a')",
        "os.path.realpath(__file__)",
        "os.path.getmtime(__file__)",
        "path.getmtime(__file__)",
        "Path(__file__).resolve()",
        "open('a')",
        "Path('a').read_text()",
        "list(Path('a').glob('*'))",
        "datetime.now()",
        "pendulum.today()",
        "days_ago(1)",
        "random.random()",
        "time.time()",
        "requests.get('a')",
        "boto3.client('s3')",
        "uuid.uuid4()",
        "subprocess.run('a')",
        "sys.path.append('a')",
        "importlib.import_module('a')",
        "exec('a')",
        "company.settings()",
        "unknown_name()",
        "create_session()",
        "helper()",
        "sorted([1], key=helper)",
        "Configured()",
        "class A(DAG):\n    at = datetime.now()",
        "def f(at=datetime.now()): pass",
        "@dag()\ndef d():\n    Variable.get('a')",
        "@company.task\ndef d():\n    pass",
        "@retry\ndef d():\n    Variable.get('a')",
        "x = lambda: Variable.get('a')",
        "[Variable.get(x) for x in 'ab']",
        "f'{datetime.now()}'",
        "if datetime.now(): pass",
        "PythonOperator(python_callable=partial(print, Variable.get('a')))",
        "from company import *",
        "airflow.models.Pool.get_pools()",
        "Pool.get_pools()",
        "get_run_data()",
        "compat.thing()",
        "getattr(datetime, 'now')()",
        "attrgetter('now')(datetime)()",
        "DAG(**{'a': datetime.now()})",
        "run(python_callable=helper)",
        "PythonOperator(helper)",
        "DAG('a', default_args={'start_date': datetime.now()})",
        "DAG('a', default_args={'on_failure_callback': partial(print, datetime.now())})",
    ],
)
def test_file_that_looks_outside_when_it_is_imported_is_dynamic(release: Path, line: str) -> None:
    head = """
import os, random, time, uuid, subprocess, sys, importlib
import airflow, boto3, company, pendulum, requests
import os as o
from os import environ as environment, path
from datetime import datetime
from functools import partial
from pathlib import Path
from company import retry, unknown_name
from airflow.sdk import BaseHook, Connection, DAG, Variable, dag, task
from airflow.sdk import Variable as V
from airflow.models import Pool
from airflow.sdk.api.client import get_run_data
from airflow.providers.standard.utils import compat
from operator import attrgetter
from airflow.providers.http.hooks.http import HttpHook
from airflow.utils.session import create_session
def helper(*_):
    return deeper()
def deeper():
    return Variable.get("a")
class Configured:
    def __init__(self):
        self.at = datetime.now()
"""
    assert inputs(release, dag=head).dynamic == ""
    assert inputs(release, dag=f"{head}{line}\n").dynamic


@pytest.mark.parametrize(
    "line",
    [
        "DAG('a', default_args={'on_failure_callback': helper, 'retries': 1})",
        "DAG('a', default_args=dict(on_failure_callback=[helper]))",
        "PythonOperator(task_id='a', python_callable=helper)",
        "PythonOperator.partial(python_callable=helper).expand(op_args=[[1]])",
        "work.override(on_retry_callback=lambda context: helper())()",
        "conf.get('core', 'dags_folder')",
        "DAG('a', datetime(2026, 1, 1), CronDataIntervalTimetable('@daily', 'UTC'))",
        "chain(EmptyOperator(task_id='a'), S3CopyObjectOperator(task_id='b'))",
        "globals()['a'] = DAG('a')",
    ],
)
def test_what_only_tasks_and_callbacks_run_does_not_count(release: Path, line: str) -> None:
    head = """
from datetime import datetime
from airflow.configuration import conf
from airflow.models.baseoperator import chain
from airflow.providers.amazon.aws.operators.s3 import S3CopyObjectOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Variable, task as work_of
from airflow.timetables.interval import CronDataIntervalTimetable
def helper(*_):
    return Variable.get("a")
@work_of(retries=2)
def work():
    return Variable.get("b")
"""
    assert inputs(release, dag=f"{head}{line}\n").dynamic == ""


def test_function_of_a_decorator_that_is_only_named_like_one_of_airflow_counts(
    release: Path,
) -> None:
    user = (
        "from airflow.sdk import Variable\nfrom lib import task\n"
        "@task\ndef at_import():\n    return Variable.get('a')\n"
    )
    library = {"lib__package": "def task(function):\n    function()\n"}
    assert inputs(release, dag=user, **library).dynamic


def test_function_by_which_a_module_has_any_name_counts(release: Path) -> None:
    user = "from lib import settings\nVALUE = settings.anything\n"
    helper = "import os\ndef __getattr__(name):\n    return os.environ[name]\n"
    assert inputs(release, dag=user, lib__settings=helper).dynamic


def test_methods_that_run_in_tasks_do_not_count(release: Path) -> None:
    source = """
from airflow.sdk import BaseOperator, DAG, Variable
class Mine(BaseOperator):
    def __init__(self, **named):
        super().__init__(**named)
    def execute(self, context):
        return Variable.get("a")
with DAG("a"):
    Mine(task_id="a")
"""
    assert inputs(release, dag=source).dynamic == ""


def test_helper_that_looks_outside_makes_its_users_dynamic(release: Path) -> None:
    user = "from lib.settings import load\nVALUE = load()\n"
    helper = "import os\ndef load():\n    return os.environ['A']\n"
    assert inputs(release, dag=user, lib__settings=helper).dynamic
    unused = "from lib.settings import load\n"
    assert inputs(release, dag=unused).dynamic == ""


def test_file_that_is_named_like_an_installed_package_does_not_hide_it(release: Path) -> None:
    files = {"dag": "import requests\nrequests.get('a')\n", "requests": ""}
    assert inputs(release, **files).dynamic
    files = {"dag": "import random\nrandom.random()\n", "random": ""}
    assert inputs(release, **files).dynamic


def test_comment_decides(release: Path) -> None:
    assert inputs(release, dag="# dag-parsing: dynamic\n").dynamic
    assert inputs(release, dag="import time\ntime.time()\n# dag-parsing: static\n").dynamic == ""
    assert inputs(release, dag="import time\ntime.time()\nx = '# dag-parsing: static'\n").dynamic


@pytest.mark.parametrize("source", ["def", "x = '\0'"])
def test_file_that_cannot_be_read_is_dynamic(release: Path, source: str) -> None:
    assert inputs(release, dag=source).dynamic


def test_archive_is_dynamic(release: Path) -> None:
    assert inputs(release, "dags.zip", **{"dags.zip": "PK"}).dynamic


def test_missing_file_has_no_inputs(release: Path) -> None:
    assert write(release, dag="").of("other.py") is None


@pytest.mark.parametrize(
    "statement",
    [
        "import lib.tables",
        "import lib.tables as tables",
        "from lib import tables",
        "from lib.tables import ORDERS",
        "from lib import *",
        "from .lib import tables",
        "import other",
        "def f():\n    from lib import tables",
        "try:\n    import tables\nexcept ImportError:\n    pass",
    ],
)
def test_digest_changes_with_each_module_that_is_imported(release: Path, statement: str) -> None:
    package = "from lib import tables" if "*" in statement else ""
    library = {"lib__package": package, "lib__tables": "A = 1", "other": "import lib.tables"}
    before = inputs(release, dag=statement, **library).digest
    assert inputs(release, unrelated="X = 1").digest == before
    assert inputs(release, lib__tables="A = 2").digest != before


def test_digest_changes_with_the_file_and_with_its_templates(release: Path) -> None:
    found = {
        inputs(release, dag="A = 1").digest,
        inputs(release, dag="A = 'sql/orders.sql'").digest,
        inputs(release, **{"sql__orders.sql": "select 1"}).digest,
        inputs(release, **{"sql__orders.sql": "select 2"}).digest,
    }
    assert len(found) == 4


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("a.sql", "A = f'{name}.sql'"),
        ("a.sql", "A = Extension.SQL"),
        ("a.sql", "from lib.names import SUFFIX"),
        ("a.SQL", "A = 'a.sql'"),
        ("a.sql.j2", "A = 'a.sql.j2'"),
        ("README.md", "DAG('a', doc_md='README.md')"),
        # Its comment may say so of a file that reads what it likes.
        ("a.sql", "# dag-parsing: static"),
        # Of these, no word tells.
        ("makefile.", "A = 1"),
        (".airflowignore", "A = 1"),
        ("a.sql~", "A = 1"),
    ],
)
def test_digest_changes_with_each_file_that_may_be_a_template(
    release: Path, file: str, source: str
) -> None:
    before = inputs(release, dag=source, lib__names="SUFFIX = '.sql'", **{file: "1"}).digest
    assert inputs(release, **{file: "2"}).digest != before


def test_digest_does_not_change_with_a_file_whose_extension_is_not_in_the_source(
    release: Path,
) -> None:
    source = "A = 'postgresql.csv', 'sqlite'"
    before = inputs(release, dag=source, other="A = 'a.sql'", **{"a.sql": "1"}).digest
    assert inputs(release, **{"a.sql": "2", "b.sql": "2", "README.md": "text"}).digest == before


def test_extension_that_a_later_release_brings_is_looked_for(release: Path) -> None:
    read: dict[str, Any] = {}
    hashes = {"dag.py": "1"}
    (release / "dag.py").write_text("A = 'a.sql'")
    before = ParseInputs(release, hashes, read).of("dag.py")
    assert ParseInputs(release, {**hashes, "a.sql": "2"}, read).of("dag.py") != before


def test_modules_that_import_each_other_are_read_once(release: Path) -> None:
    assert inputs(release, dag="import a", a="import b", b="import a, dag").dynamic == ""


@pytest.mark.parametrize(
    "statement", ["from lib import *", "from .lib import *", "from lib.inner import *"]
)
def test_digest_changes_with_each_module_that_all_may_name(release: Path, statement: str) -> None:
    library = {
        "lib__package": "__all__ = ['tables']", "lib__tables": "A = 1",
        "lib__inner__package": "", "lib__inner__deep": "A = 1",
    }  # fmt: skip
    before = inputs(release, dag=statement, **library).digest
    changed = "lib__inner__deep" if "inner" in statement else "lib__tables"
    assert inputs(release, **{changed: "A = 2"}).digest != before


@pytest.mark.parametrize(
    ("user", "statement", "changed"),
    [
        # A folder without __init__.py is a package, too.
        ("dag", "from spaces.deep import tables", "spaces__deep__tables"),
        ("team__dag", "from team.common import tables", "team__common__tables"),
        ("team__package", "from .common import tables", "team__common__tables"),
        ("team__inner__dag", "from ..common import tables", "team__common__tables"),
        ("team__inner__dag", "from .. import common", "team__common__package"),
        # The package of a module is imported first.
        ("dag", "import lib.tables", "lib__package"),
    ],
)
def test_digest_changes_with_modules_of_packages(
    release: Path, user: str, statement: str, changed: str
) -> None:
    path = user.replace("__", "/").replace("package", "__init__") + ".py"
    before = inputs(release, path, **{user: statement, changed: "A = 1"}).digest
    assert inputs(release, path, **{changed: "A = 2"}).digest != before


def test_new_module_that_an_import_now_finds_changes_the_digest(release: Path) -> None:
    before = inputs(release, dag="try:\n    import extra\nexcept ImportError:\n    pass").digest
    assert inputs(release, extra="A = 1").digest != before
    found = inputs(release, extra="A = 1").digest
    # A folder of this name hides the file.
    assert inputs(release, extra__package="A = 2").digest != found


def test_sources_of_former_releases_are_dropped(release: Path) -> None:
    read: dict[str, Any] = {}
    for content in ("A = 1", "A = 2"):
        write(release, dag=content)
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        ParseInputs(release, {"dag.py": sha256}, read).of("dag.py")
    assert len(read) == 1
