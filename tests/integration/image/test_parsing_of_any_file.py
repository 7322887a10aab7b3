"""No file ends the dag-processor: each fault becomes an import error, and other files are parsed.

Airflow's manager, its parse processes and the database are real.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

PROGRAM = Path(__file__).with_name("parse_folder.py")
ROOT = Path(__file__).parents[3]
PREVIOUS = ROOT / ".venv/airflow-previous/bin/python"
# A healthy file is parsed in time on a busy machine, too.
TIMEOUT_SECONDS = 30

Parse = Callable[..., dict[str, Any]]


def dag(
    dag_id: str,
    arguments: str = "",
    before: str = "",
    task_id: str = "only",
    command: str = "'echo'",
) -> str:
    return (
        f"{before}\n"
        "from airflow.sdk import DAG\n"
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        f"with DAG({dag_id!r}, schedule=None, {arguments}):\n"
        f"    BashOperator(task_id={task_id!r}, bash_command={command})\n"
    )


# File -> source, and a part of the reason.
FAULTS: dict[str, tuple[str, str]] = {
    "nul_in_description.py": (
        dag("nul_description", r"description='separator: \0'"),
        "ValueError: A string literal cannot contain NUL (0x00) characters, in INSERT INTO dag "
        "(description)",
    ),
    "nul_in_tag.py": (dag("nul_tag", r"tags=['a\0b']"), "in INSERT INTO dag_tag (name)"),
    "nul_in_message.py": (dag("nul_message", before=r"raise ValueError('a\0b')"), r"a\x00b"),
    "integer_out_of_range.py": (
        dag("integer", "max_active_tasks=2**40"),
        "NumericValueOutOfRange: integer out of range, in INSERT INTO dag (max_active_tasks)",
    ),
    "integer_of_70_bits.py": (dag("integer_70", "max_active_runs=2**70"), "OverflowError"),
    "value_too_long.py": (
        dag("too_long", "default_args={'owner': 'o' * 3000}"),
        "StringDataRightTruncation: value too long for type character varying(2000), in INSERT "
        "INTO dag (owners)",
    ),
    "display_name_too_long.py": (
        dag("too_long_name", "dag_display_name='n' * 3000"),
        "value too long for type character varying(2000)",
    ),
    "surrogate.py": (dag("surrogate", r"description='\ud800'"), "UnicodeEncodeError"),
    "surrogate_in_message.py": (
        dag("surrogate_message", before=r"raise ValueError('\ud800')"),
        r"ValueError: \ud800",
    ),
    "raises_in_serialization.py": (
        dag("serialization", "params={'a': Odd()}", before="class Odd:\n    x = 1"),
        "Odd",
    ),
    "exits_in_serialization.py": (
        dag(
            "serialization_exit",
            command="Odd()",
            before="class Odd:\n    def serialize(self): raise SystemExit('bye')",
        ),
        "SystemExit: bye",
    ),
    "killed.py": (
        dag("killed", before="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
        "ParseKilledError: the process that parsed this file was ended by SIGKILL, probably "
        "because the container had no memory left",
    ),
    "aborted.py": (dag("aborted", before="import os\nos.abort()"), "ended by SIGABRT"),
    "ended.py": (
        dag("ended", before="import os\nos._exit(0)"),
        "ParseExitError: the process that parsed this file exited with code 0 and without a result",
    ),
    "ended_with_code.py": (dag("ended_3", before="import os\nos._exit(3)"), "exited with code 3"),
    "sys_exit.py": (dag("sys_exit", before="import sys\nsys.exit('bye')"), "SystemExit: bye"),
    "hangs.py": (
        dag(
            "hangs",
            before="import signal, time\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\ntime.sleep(600)",
        ),
        f"ParseTimeoutError: the file was not parsed within {TIMEOUT_SECONDS} s",
    ),
    "unreadable_message.py": (
        dag("message", before=r"import os; os.write(0, b'\0\0\0\2\xc1\xc1')"),
        "without a result",
    ),
    "deep.py": (dag("deep", before="x = " + "-" * 20_000 + "1"), "Error"),
    "syntax_error.py": (dag("syntax", before="def"), "SyntaxError"),
}
HEALTHY = [f"healthy_{number}" for number in range(12)]
# Its log file's name would have 256 and 259 bytes. Two bytes per character in the second.
LONG_NAMES = {"long_name": "n" * 249 + ".py", "longest_name": "é" * 126 + ".py"}
# DAGs that open a file beside them, by the paths of the examples of Airflow and MWAA.
CONFIGURED = {
    "uses_dags_folder": "conf.get('core', 'dags_folder')",
    "uses_airflow_home": "os.path.join(os.environ['AIRFLOW_HOME'], 'dags')",
}
READING = (
    "import os\nfrom airflow.configuration import conf\n"
    "assert open(os.path.join({}, 'cfg.yaml')).read() == 'a: 1'"
)


def encrypted_archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("in_archive.py", dag("in_archive"))
    content = bytearray(data.getvalue())
    for header, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(header) + offset] |= 1
    return bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dags"
    made.mkdir()
    return made


@pytest.fixture
def parse(postgres: Any, tmp_path: Path, folder: Path) -> Iterator[Parse]:
    """Runs the program in one database, which is dropped at the end."""
    postgres.execute("CREATE ROLE parses LOGIN PASSWORD 'p'; CREATE DATABASE parses OWNER parses;")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT / "images/airflow/src"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://parses:p@127.0.0.1:{postgres.port}/parses"
        ),
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET": "stdout",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(tmp_path / "logs"),
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": str(TIMEOUT_SECONDS),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
            [
                {
                    "name": "folder",
                    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                    "kwargs": {"path": str(folder)},
                }
            ]
        ),
    }

    def run(
        *words: str, python: str | Path = sys.executable, log_target: str = "stdout"
    ) -> dict[str, Any]:
        environment["AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET"] = log_target
        done = subprocess.run(
            [python, PROGRAM, *(words or ("patched",))],
            env=environment, capture_output=True, text=True, errors="replace",
            timeout=2 * PATIENCE_SECONDS,
        )  # fmt: skip
        (tmp_path / "output.txt").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return printed

    yield run
    postgres.execute("DROP DATABASE parses WITH (FORCE); DROP ROLE parses;")


@pytest.mark.parametrize("python", [Path(sys.executable), PREVIOUS], ids=["current", "previous"])
def test_each_fault_is_an_import_error_and_healthy_files_run(
    parse: Parse, folder: Path, python: Path
) -> None:
    if not python.exists():
        pytest.skip("the previous edition is installed by `make test-upgrade`")
    for name, (source, _) in FAULTS.items():
        (folder / name).write_text(source)
    for name in HEALTHY:
        (folder / f"{name}.py").write_text(dag(name))
    for dag_id, name in LONG_NAMES.items():
        (folder / name).write_text(dag(dag_id))
    (folder / "cfg.yaml").write_text("a: 1")
    for dag_id, expression in CONFIGURED.items():
        (folder / f"{dag_id}.py").write_text(dag(dag_id, before=READING.format(expression)))
    (folder / "encrypted.zip").write_bytes(encrypted_archive())
    (folder / ".airflowignore").write_bytes(b"# caf\xe9\n!\nignored*\n")
    (folder / "ignored.py").write_text(dag("ignored"))

    found = parse(python=python)

    expected = {**{name: reason for name, (_, reason) in FAULTS.items()}, "encrypted.zip": "encr"}
    assert set(found["errors"]) == set(expected)
    wrong = {
        name: found["errors"][name]
        for name in expected
        if expected[name] not in found["errors"][name]
    }
    assert wrong == {}
    runs = {"stale": False, "tasks": ["only"]}
    assert found["dags"] == dict.fromkeys([*HEALTHY, *LONG_NAMES, *CONFIGURED], runs)
    assert found["logs"] == []


def test_last_recorded_version_is_kept_until_the_file_can_be_recorded_again(
    parse: Parse, folder: Path
) -> None:
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"

    def write(task_id: str, description: str, before: str) -> dict[str, Any]:
        description = f"description={description!r}"
        (folder / "value.py").write_text(dag("value", description, task_id=task_id))
        (folder / "process.py").write_text(dag("process", before=before, task_id=task_id))
        return parse()

    good = write("one", "text", "")
    assert good["errors"] == {}
    assert good["dags"]["value"] == good["dags"]["process"] == {"stale": False, "tasks": ["one"]}

    bad = write("two", "\0", killed)
    assert set(bad["errors"]) == {"value.py", "process.py"}
    # As with every import error. A process may be killed for other reasons than its file.
    assert bad["dags"]["value"] == {"stale": True, "tasks": ["one"]}
    assert bad["dags"]["process"] == {"stale": False, "tasks": ["one"]}

    again = write("three", "text", "")
    assert again["errors"] == {}
    assert again["dags"] == {
        dag_id: {"stale": False, "tasks": ["three"]} for dag_id in ("value", "process")
    }


def test_parse_that_cannot_start_is_an_import_error(parse: Parse, folder: Path) -> None:
    name = LONG_NAMES["long_name"]
    (folder / name).write_text(dag("long_name"))
    (folder / "healthy.py").write_text(dag("healthy"))

    found = parse(log_target="file")

    assert set(found["errors"]) == {name}
    assert "File name too long" in found["errors"][name]
    assert found["dags"] == {"healthy": {"stale": False, "tasks": ["only"]}}
    assert [Path(log).name for log in found["logs"]] == ["healthy.py.log"]
