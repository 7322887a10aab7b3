"""What Airflow's own dag-processor parses again, and what it must not miss for that reason.

Manager, parse processes, bundle, publisher and database are real; the bucket is in memory. The
intervals are zero: a file that is not settled, or dynamic, is parsed in every loop, and a DAG that
was not recorded after its file's last parse becomes stale.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("settled_lab.py")
DATABASE = "settled"
STATIC = "from airflow.sdk import DAG\nwith DAG('{}', schedule=None):\n    pass\n"
DYNAMIC = (
    "from airflow.sdk import DAG, Variable\n"
    "with DAG('{}', tags=[Variable.get('tag', default='none')]):\n    pass\n"
)
USER = "from airflow.sdk import DAG\nfrom {} import TAG\nwith DAG('{}', tags=[TAG]):\n    pass\n"


class Processor:
    """The program, while it runs."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, folder], env=environment, cwd=folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.output: list[str] = []
        self._answer()

    def __call__(self, *command: Any) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        for line in self._process.stdout:
            self.output.append(line)
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
        raise AssertionError("the dag-processor ended:\n" + "".join(self.output[-100:]))

    def publish(self, **files: str | None) -> str:
        """Change files, with `__` for a slash; of what needs no ending, Python."""
        paths = {name.replace("__", "/"): text for name, text in files.items()}
        release = self("publish", {p + ".py" * ("." not in p): t for p, t in paths.items()})
        assert release
        return str(release)

    def sql(self, statement: str) -> Any:
        return self("sql", statement)

    def parsed(self, loops: int = 3) -> set[str]:
        return set(self("loops", loops)["parsed"])

    def until(self, condition: Callable[["Processor"], bool]) -> set[str]:
        """Returns what was parsed until then."""
        found, deadline = set(), time.monotonic() + PATIENCE_SECONDS
        while not condition(self):
            assert time.monotonic() < deadline, "".join(self.output[-100:])
            found |= self.parsed(1)
        return found

    def until_parsed(self, file: str) -> set[str]:
        """Returns what was parsed until then, the file included."""
        found: set[str] = set()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while file not in found:
            assert time.monotonic() < deadline, "".join(self.output[-100:])
            found |= self.parsed(1)
        return found

    def until_quiet(self) -> set[str]:
        """Returns what was parsed until nothing was in several loops."""
        found: set[str] = set()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while lately := self.parsed():
            assert time.monotonic() < deadline, "".join(self.output[-100:])
            found |= lately
        return found

    @property
    def dags(self) -> dict[str, list[str]]:
        """The tags of each DAG that is not stale."""
        rows = self.sql(
            "SELECT dag_id, array_remove(array_agg(name), NULL) FROM dag LEFT JOIN dag_tag"
            " USING (dag_id) WHERE NOT is_stale GROUP BY 1"
        )
        return dict(rows)

    @property
    def releases(self) -> set[tuple[str, str]]:
        """The release of each DAG and of its latest version."""
        rows = self.sql(
            "SELECT dag.bundle_version, v.bundle_version FROM dag JOIN dag_version v USING (dag_id)"
            " WHERE NOT is_stale AND version_number ="
            " (SELECT max(version_number) FROM dag_version w WHERE w.dag_id = v.dag_id)"
        )
        return {(of_dag, of_version) for of_dag, of_version in rows}

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.stdout
        self.output += self._process.stdout
        assert self._process.wait(PATIENCE_SECONDS) == 0, "".join(self.output[-100:])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


Start = Callable[..., Processor]


@pytest.fixture(scope="module")
def database(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a dag-processor whose database is made for each test."""
    postgres.execute(f"CREATE ROLE {DATABASE} LOGIN PASSWORD 'p' CREATEDB;")
    postgres.execute(f"CREATE DATABASE {DATABASE}_made OWNER {DATABASE};")
    at = f"postgresql+psycopg2://{DATABASE}:p@127.0.0.1:{postgres.port}/{DATABASE}"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("home")),
        "PYTHONPATH": os.pathsep.join(
            str(ROOT / path) for path in ("images/airflow/src", "functions", "tests/support")
        ),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"{at}_made",
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET": "stdout",
        "AIRFLOW__SCHEDULER__PARSING_CLEANUP_INTERVAL": "0",
        "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "0",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "0",
        "AIRFLOW__DAG_PROCESSOR__DYNAMIC_FILE_PROCESS_INTERVAL": "0",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "0",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
            [
                {
                    "name": "releases",
                    "classpath": "airflow_on_fargate.releases.bundle.ReleaseDagBundle",
                    "kwargs": {"bucket_name": "dags", "refresh_interval": 0},
                }
            ]
        ),
    }
    migrate = "from airflow.utils.db import initdb; initdb()"
    subprocess.run(
        [sys.executable, "-c", migrate], env=environment, check=True, capture_output=True
    )
    yield environment | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": at}
    postgres.execute(f"DROP DATABASE {DATABASE}_made WITH (FORCE);")
    postgres.execute(f"DROP ROLE {DATABASE};")


@pytest.fixture
def start(postgres: Any, database: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts a dag-processor, with the same bucket and database each time in one test."""
    name = f"CREATE DATABASE {DATABASE} OWNER {DATABASE} TEMPLATE {DATABASE}_made;"
    postgres.execute(name)
    with ExitStack() as stack:
        stack.callback(postgres.execute, f"DROP DATABASE {DATABASE} WITH (FORCE);")

        def make(**settings: str) -> Processor:
            processor = Processor(database | settings, tmp_path)
            stack.callback(processor.kill)
            return processor

        yield make


@pytest.fixture
def processor(start: Start) -> Processor:
    return start()


def test_static_files_are_parsed_once_and_their_dags_stay(processor: Processor) -> None:
    processor.publish(a=STATIC.format("a"), b=DYNAMIC.format("b"), c=STATIC.format("c"))
    processor.until(lambda it: set(it.dags) == {"a", "b", "c"})
    processor.parsed()
    for _ in range(3):
        assert processor.parsed() == {"b.py"}
    assert set(processor.dags) == {"a", "b", "c"}


def test_dynamic_file_gives_what_the_world_outside_says(processor: Processor) -> None:
    processor.publish(a=DYNAMIC.format("a"))
    processor.until(lambda it: it.dags == {"a": ["none"]})
    processor.sql("INSERT INTO variable (key, val, is_encrypted) VALUES ('tag', 'new', false)")
    processor.until(lambda it: it.dags == {"a": ["new"]})


def test_dynamic_file_is_parsed_at_an_interval_of_its_own(start: Start) -> None:
    processor = start(AIRFLOW__DAG_PROCESSOR__DYNAMIC_FILE_PROCESS_INTERVAL="300")
    processor.publish(a=DYNAMIC.format("a"))
    processor.until(lambda it: it.dags == {"a": ["none"]})
    processor.until_quiet()
    # What the database loses, and another release, are not waited for.
    processor.sql("UPDATE dag SET is_stale = true")
    assert processor.until_quiet() == {"a.py"}
    assert set(processor.dags) == {"a"}
    second = processor.publish(b=STATIC.format("b"))
    assert processor.until_quiet() == {"a.py", "b.py"}
    assert processor.releases == {(second, second)}
    processor.sql("INSERT INTO variable (key, val, is_encrypted) VALUES ('tag', 'new', false)")
    assert processor.parsed() == set()
    processor.sql(
        "INSERT INTO dag_priority_parsing_request (id, bundle_name, relative_fileloc)"
        " VALUES ('1', 'releases', 'a.py')"
    )
    assert processor.until_quiet() == {"a.py"}
    assert processor.dags == {"a": ["new"], "b": []}


def test_file_with_an_import_error_is_parsed_until_what_it_lacks_is_there(
    processor: Processor,
) -> None:
    # Its comment says that it is static; the error is stronger.
    text = DYNAMIC.replace(", default='none'", "").format("a") + "# dag-parsing: static\n"
    processor.publish(a=text)
    processor.until(lambda it: it.sql("SELECT filename FROM import_error") == [["a.py"]])
    processor.sql("INSERT INTO variable (key, val, is_encrypted) VALUES ('tag', 'new', false)")
    processor.until(lambda it: it.dags == {"a": ["new"]})
    assert processor.sql("SELECT filename FROM import_error") == []
    processor.until_quiet()


def test_release_that_leaves_files_as_they_are_becomes_theirs(processor: Processor) -> None:
    first = processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: it.releases == {(first, first)} and len(it.dags) == 2)
    processor.until_quiet()
    second = processor.publish(b=STATIC.format("b") + "# changed\n")
    assert processor.until_quiet() == {"b.py"}
    assert processor.releases == {(second, second)}


def test_changed_module_is_noticed_in_each_way_of_importing_it(processor: Processor) -> None:
    users = {
        "direct": USER.format("lib.tables", "direct"),
        "indirect": USER.format("lib.user", "indirect"),
        # A folder without __init__.py is a package, too.
        "namespace": USER.format("spaces.deep", "namespace"),
        "by_all": USER.format("every", "by_all").replace("import TAG", "import *"),
    }
    users["by_all"] = users["by_all"].replace("[TAG]", "[tables.TAG]")
    modules = {
        "lib/__init__.py": "", "lib/tables.py": "TAG = '1'",
        "lib/user.py": "from .tables import TAG", "spaces/deep.py": "TAG = '1'",
        "every/__init__.py": "__all__ = ['tables']", "every/tables.py": "TAG = '1'",
    }  # fmt: skip
    files = {f"{name}.py": text for name, text in users.items()}
    assert processor("publish", {**modules, **files, "other.py": STATIC.format("other")})
    tags = {key: ["1"] for key in users} | {"other": []}
    processor.until(lambda it: it.dags == tags)
    processor.until_quiet()
    for module, changed in (
        ("lib/tables.py", {"direct", "indirect"}),
        ("spaces/deep.py", {"namespace"}),
        ("every/tables.py", {"by_all"}),
    ):
        assert processor("publish", {module: "TAG = '2'"})
        assert processor.until_quiet() == {f"{name}.py" for name in changed}
        tags |= {key: ["2"] for key in changed}
        assert processor.dags == tags


def test_changed_data_is_noticed(processor: Processor) -> None:
    templated = (
        "from airflow.sdk import DAG\n"
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        "with DAG('a', schedule=None, template_searchpath=['/nowhere']):\n"
        "    BashOperator(task_id='t', bash_command='run.sh')\n"
    )
    serialized = "SELECT data::text FROM serialized_dag WHERE dag_id = 'a' ORDER BY created_at"
    processor.publish(a=templated, b=STATIC.format("b"), **{"run.sh": "echo 1"})
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    second = processor.publish(**{"run.sh": "echo 2", "README.md": "for people"})
    # The other does not name a file with this extension.
    assert processor.until_quiet() == {"a.py"}
    assert "echo 2" in processor.sql(serialized)[-1][0]
    assert processor.releases == {(second, second)}


def test_yaml_that_a_file_reads_is_noticed(processor: Processor) -> None:
    reader = (
        "from pathlib import Path\nfrom airflow.sdk import DAG\n"
        "for line in (Path(__file__).parent / 'dags.yaml').read_text().splitlines():\n"
        "    globals()[line] = DAG(line, schedule=None)\n"
    )
    processor.publish(a=reader, **{"dags.yaml": "one\ntwo"})
    processor.until(lambda it: set(it.dags) == {"one", "two"})
    processor.publish(**{"dags.yaml": "two\nthree"})
    processor.until(lambda it: set(it.dags) == {"two", "three"})


def test_dag_that_leaves_its_file_becomes_stale_at_once(processor: Processor) -> None:
    processor.publish(a=STATIC.format("one") + STATIC.format("two"))
    processor.until(lambda it: set(it.dags) == {"one", "two"})
    processor.publish(a=STATIC.format("one"))
    processor.until(lambda it: set(it.dags) == {"one"})
    processor.until_quiet()


def test_removed_moved_and_returned_files(processor: Processor) -> None:
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.publish(a=None)
    processor.until(lambda it: set(it.dags) == {"b"})
    processor.publish(a=STATIC.format("a"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.publish(a=None, team__moved=STATIC.format("a"))
    path = "SELECT relative_fileloc FROM dag WHERE dag_id = 'a' AND NOT is_stale"
    processor.until(lambda it: it.sql(path) == [["team/moved.py"]])
    processor.until_quiet()
    assert set(processor.dags) == {"a", "b"}


def test_two_files_with_one_dag_id_are_parsed_as_airflow_does(processor: Processor) -> None:
    # Airflow shows the version of the file that it has parsed last.
    twice = (
        "from airflow.sdk import DAG\ndef make():\n    return DAG('a', tags=['{}'])\nx = make()\n"
    )
    processor.publish(a=twice.format("a"), b=twice.format("b"))
    processor.until(lambda it: it.dags == {"a": ["a"]})
    processor.until(lambda it: it.dags == {"a": ["b"]})
    processor.until(lambda it: it.dags == {"a": ["a"]})
    processor.publish(b=None)
    processor.until(lambda it: it.dags == {"a": ["a"]})
    processor.until_quiet()
    assert processor.dags == {"a": ["a"]}


def test_changed_airflowignore_is_noticed(processor: Processor) -> None:
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.publish(**{".airflowignore": "a.py"})
    processor.until(lambda it: set(it.dags) == {"b"})
    processor.publish(**{".airflowignore": None})
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()


def test_archive_is_parsed_as_airflow_does(processor: Processor) -> None:
    processor.publish(a=STATIC.format("a"))
    assert processor("archive", "packed.zip", {"one.py": STATIC.format("one")})
    processor.until(lambda it: set(it.dags) == {"a", "one"})
    assert processor("archive", "packed.zip", {"one.py": STATIC.format("two")})
    processor.until(lambda it: set(it.dags) == {"a", "two"})
    processor.until(lambda it: it.parsed() == {"packed.zip"})


@pytest.mark.parametrize(
    "statement",
    [
        # What deletes a DAG in the UI, `airflow db clean`, a person, and `dags reserialize` do.
        "DELETE FROM dag WHERE dag_id = 'a'",
        "DELETE FROM dag_version WHERE dag_id = 'a'",
        "UPDATE dag SET is_stale = true WHERE dag_id = 'a'",
        "UPDATE dag SET has_import_errors = true WHERE dag_id = 'a'",
        "UPDATE dag_version SET version_data = NULL WHERE dag_id = 'a'",
        # A database of an earlier release.
        "UPDATE dag SET bundle_version = 'earlier' WHERE dag_id = 'a'",
        "UPDATE dag_version SET bundle_version = 'earlier' WHERE dag_id = 'a'",
    ],
)
def test_file_is_parsed_when_the_database_loses_what_its_parse_wrote(
    processor: Processor, statement: str
) -> None:
    release = processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    processor.sql(statement)
    assert processor.until_quiet() == {"a.py"}
    assert set(processor.dags) == {"a", "b"}
    assert processor.releases == {(release, release)}
    serialized = "SELECT count(*) FROM serialized_dag JOIN dag_code USING (dag_version_id)"
    assert processor.sql(serialized) == [[2]]


def test_file_is_parsed_as_airflow_does_while_its_serialized_dag_is_missing(
    processor: Processor,
) -> None:
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    # Airflow writes it only with the next version.
    processor.sql("DELETE FROM serialized_dag WHERE dag_id = 'a'")
    processor.until(lambda it: it.parsed() == {"a.py"})


def test_parse_that_the_database_refused_is_repeated(processor: Processor) -> None:
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    # A deadlock, for which Airflow's patched recording blames no file.
    processor.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$"
    )
    processor.sql(
        "CREATE TRIGGER refuse BEFORE INSERT ON dag_tag FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    processor.publish(a="from airflow.sdk import DAG\nx = DAG('a', tags=['new'])\n")
    for _ in range(3):
        processor.until(lambda it: it.parsed() == {"a.py"})
    assert processor.dags.get("a") != ["new"]
    processor.sql("DROP TRIGGER refuse ON dag_tag")
    processor.until(lambda it: it.dags == {"a": ["new"], "b": []})
    processor.until_quiet()


def test_parse_that_airflow_does_not_write_yet_is_repeated(start: Start) -> None:
    # Airflow writes a DAG at most so often.
    processor = start(AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL="3600")
    processor.publish(a=STATIC.format("a"))
    processor.until(lambda it: set(it.dags) == {"a"})
    processor.until_quiet()
    processor.publish(a=STATIC.format("a") + "# changed\n")
    processor.until_parsed("a.py")
    assert processor.parsed() == {"a.py"}
    processor.sql("UPDATE serialized_dag SET last_updated = last_updated - interval '2 h'")
    processor.until_quiet()


def test_request_of_a_user_is_honoured(processor: Processor) -> None:
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    processor.sql(
        "INSERT INTO dag_priority_parsing_request (id, bundle_name, relative_fileloc)"
        " VALUES ('1', 'releases', 'a.py')"
    )
    assert processor.until_quiet() == {"a.py"}


def test_callbacks_run_at_once_in_the_release_of_their_run(
    processor: Processor, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    text = (
        "from airflow.sdk import DAG\ndef tell(context):\n"
        f"    open({str(called)!r}, 'a').write('{{}} ' + context['run_id'] + '\\n')\n"
        "with DAG('a', schedule=None, on_failure_callback=tell):\n    pass\n"
    )
    first = processor.publish(a=text.format("first"))
    processor.until(lambda it: set(it.dags) == {"a"})
    processor.until_quiet()
    processor.publish(a=text.format("second"))
    assert processor.until_quiet() == {"a.py"}
    processor("callback", "a", "a.py", first)
    assert processor.until_quiet() == {"callback a.py"}
    processor("callback", "a", "a.py", None)
    # Airflow forgets when it has parsed the file, and would not find stale DAGs of it.
    assert processor.until_parsed("a.py") <= {"callback a.py", "a.py"}
    processor.until_quiet()
    assert called.read_text() == f"first of {first}\nsecond of None\n"
    assert set(processor.dags) == {"a"}


def test_paused_dag_that_becomes_due_is_parsed_once(processor: Processor) -> None:
    daily = STATIC.replace("schedule=None", "schedule='@daily', catchup=False")
    processor.publish(a=daily.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    processor.sql(
        "UPDATE dag SET is_paused = true, next_dagrun_create_after = '2026-01-02',"
        " next_dagrun = '2026-01-01' WHERE dag_id = 'a'"
    )
    assert processor.until_quiet() == {"a.py"}
    late = "SELECT count(*) FROM dag WHERE next_dagrun_create_after = '2026-01-02'"
    assert processor.sql(late) == [[0]]


def test_start_parses_only_what_a_release_changed_meanwhile(start: Start) -> None:
    processor = start()
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"), c=DYNAMIC.format("c"))
    processor.until(lambda it: set(it.dags) == {"a", "b", "c"})
    processor.parsed()
    processor.stop()
    again = start()
    assert again.parsed() == {"c.py"}
    assert again.parsed() == {"c.py"}
    assert set(again.dags) == {"a", "b", "c"}
    # Without a loop in between: the process that starts next sees it first.
    second = again.publish(b=STATIC.format("b") + "# changed\n")
    again.stop()
    third = start()
    assert third.parsed() == {"b.py", "c.py"}
    assert third.parsed() == {"c.py"}
    assert set(third.dags) == {"a", "b", "c"}
    assert third.releases == {(second, second)}


def test_start_with_another_setting_parses_every_file(start: Start) -> None:
    processor = start()
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    processor.stop()
    again = start(AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG="3")
    assert again.until_quiet() == {"a.py", "b.py"}
    assert again.sql("SELECT DISTINCT max_active_runs FROM dag") == [[3]]


def test_start_with_a_database_that_lacks_a_dag_parses_its_file(start: Start) -> None:
    processor = start()
    processor.publish(a=STATIC.format("a"), b=STATIC.format("b"))
    processor.until(lambda it: set(it.dags) == {"a", "b"})
    processor.until_quiet()
    processor.sql("DELETE FROM dag WHERE dag_id = 'a'")
    processor.stop()
    again = start()
    assert again.until_quiet() == {"a.py"}
    assert set(again.dags) == {"a", "b"}
