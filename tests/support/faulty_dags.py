"""Files that must not stop others, of every kind, and a folder of them beside healthy files.

`import_errors` compile, so they are in the release: only the parse, or the recording of its result,
shows the fault. `LEFT_OUT` cannot be part of a release.
"""

import io
import zipfile
from collections.abc import Mapping


def dag(
    dag_id: str,
    arguments: str = "",
    before: str = "",
    task_id: str = "only",
    command: str = "'echo'",
) -> str:
    """A DAG with one task; `before` precedes everything else in the file."""
    return (
        f"{before}\n"
        "from airflow.sdk import DAG\n"
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        f"with DAG({dag_id!r}, schedule=None, {arguments}):\n"
        f"    BashOperator(task_id={task_id!r}, bash_command={command})\n"
    )


def scheduled(dag_id: str, schedule: str) -> str:
    imports = "from datetime import datetime, timedelta\nfrom airflow.sdk import Asset"
    text = dag(dag_id, "start_date=datetime(2024, 1, 1)", imports)
    return text.replace("schedule=None", f"schedule={schedule}")


# File -> source, and a part of the reason.
VALUES: dict[str, tuple[str, str]] = {
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
    "nul_in_command.py": (
        dag("nul_command", command=r"'echo \0'"),
        "unsupported Unicode escape sequence, in INSERT INTO serialized_dag",
    ),
    "nul_in_asset.py": (scheduled("nul_asset", r"[Asset('s3://b/a\0')]"), "cannot contain NUL"),
    "asset_too_long.py": (
        scheduled("long_asset", "[Asset('s3://b/' + 'a' * 3000)]"),
        "ValueError: Asset name cannot exceed 1500 characters",
    ),
    "tag_too_long.py": (
        dag("too_long_tag", "tags=['t' * 101]"),
        "tag cannot be longer than 100 characters",
    ),
    "id_too_long.py": (
        dag("i" * 251),
        "has to be less than 250 characters",
    ),
    "surrogate.py": (dag("surrogate", r"description='\ud800'"), "UnicodeEncodeError"),
    "surrogate_in_message.py": (
        dag("surrogate_message", before=r"raise ValueError('\ud800')"),
        r"ValueError: \ud800",
    ),
}
ENDS: dict[str, tuple[str, str]] = {
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
    "replaced.py": (
        dag("replaced", before="import os\nos.execv('/bin/true', ['true'])"),
        "exited with code 0 and without a result",
    ),
    "sys_exit.py": (dag("sys_exit", before="import sys\nsys.exit('bye')"), "SystemExit: bye"),
    "base_exception.py": (
        dag("base_exception", before="class Odd(BaseException):\n    pass\nraise Odd('bye')"),
        "Odd: bye",
    ),
    "interrupt.py": (dag("interrupt", before="raise KeyboardInterrupt"), "KeyboardInterrupt"),
    "recursion.py": (dag("recursion", before="def f():\n    f()\nf()"), "RecursionError"),
    "closes_its_files.py": (
        dag("closes", before="import os\nos.closerange(0, 256)"),
        "without a result",
    ),
    "unreadable_message.py": (
        dag("message", before=r"import os; os.write(0, b'\0\0\0\2\xc1\xc1')"),
        "without a result",
    ),
}
DEFINITIONS: dict[str, tuple[str, str]] = {
    "lacks_a_package.py": (
        dag("lacks", before="import no_such_package"),
        "ModuleNotFoundError: No module named 'no_such_package'",
    ),
    "task_twice.py": (
        dag("twice") + "    BashOperator(task_id='only', bash_command='echo')\n",
        "DuplicateTaskIdFound",
    ),
    "no_cron.py": (scheduled("no_cron", "'a b c d e'"), "AirflowTimetableInvalid"),
    "no_interval.py": (scheduled("no_interval", "timedelta(0)"), "AirflowTimetableInvalid"),
}


def slow(seconds: int) -> dict[str, tuple[str, str]]:
    """Files whose parse does not end within the dag-processor's limit."""
    reason = f"ParseTimeoutError: the file was not parsed within {seconds} s"
    return {
        "hangs.py": (
            dag(
                "hangs",
                before="import signal, time\n"
                "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\ntime.sleep(600)",
            ),
            reason,
        ),
        "stopped.py": (
            dag("stopped", before="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
            reason,
        ),
        # Airflow reads four KiB in each turn of its loop.
        "prints_megabytes.py": (
            dag(
                "prints",
                before="import signal\n"
                "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
                "for _ in range(500_000):\n    print('x' * 1000)",
            ),
            reason,
        ),
    }


def encrypted_archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("in_archive.py", dag("in_archive"))
    content = bytearray(data.getvalue())
    for header, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(header) + offset] |= 1
    return bytes(content)


def import_errors(seconds: int) -> dict[str, tuple[bytes, str]]:
    """File → bytes, and a part of the import error; `seconds` is the limit of a parse."""
    texts = {**VALUES, **ENDS, **DEFINITIONS, **slow(seconds)}
    found = {path: (source.encode(), reason) for path, (source, reason) in texts.items()}
    return found | {"encrypted.zip": (encrypted_archive(), "encrypted")}


_LIVE = dag("live").encode()
# A release before, whose versions stay live.
BEFORE: Mapping[str, bytes] = {
    "out/kept.py": dag("kept").encode(),
    "out/kept_module.py": b"NUMBER = 1\n",
    "out/imports_it.py": dag("imports_it", before="from out.kept_module import NUMBER").encode(),
    "out/taken.py": dag("taken").encode(),
    "out/file": b"live",
}
# Path → bytes, and a part of the reason. The path is the one in the report; a key that cannot be a
# path is reported with the prefix `dags/`.
LEFT_OUT: Mapping[str, tuple[bytes, str]] = {
    "out/syntax.py": (_LIVE + b"def", "SyntaxError: invalid syntax"),
    "out/indent.py": (_LIVE + b"def f():\npass\n", "IndentationError"),
    "out/null_byte.py": (_LIVE + b"# \0\n", "null bytes"),
    "out/utf_8.py": (_LIVE + b"# caf\xe9\n", "the byte 0xe9 is not valid UTF-8"),
    "out/latin_1.py": (b"# coding: latin-1\n" + _LIVE + b"# \xe9\n", "is not valid UTF-8"),
    "out/deep.py": (_LIVE + b"x = " + b"-" * 20_000 + b"1\n", "Error"),
    "out/copy.py": (
        dag("healthy_1").encode(),
        "the DAG 'healthy_1' is also in healthy/dag_1.py, line 4, which",
    ),
    "out/a_copy.py": (
        dag("taken").encode(),
        "the DAG 'taken' is also in out/taken.py, line 4, which was live with it",
    ),
    "out/kept.py": (dag("kept").encode() + b"def", "SyntaxError"),
    "out/kept_module.py": (b"NUMBER =", "SyntaxError"),
    "out/.airflowignore": (b"caf\xe9", "is not UTF-8"),
    f"out/{'n' * 249}.py": (_LIVE, "longer than 251 bytes"),
    f"out/{'é' * 126}.py": (_LIVE, "longer than 251 bytes"),
    f"dags/out/{'n' * 256}": (b"", "a name longer than 255 bytes"),
    "dags/out//slash.py": (_LIVE, "an empty folder or file name"),
    "dags/out\\backslash.py": (_LIVE, "a backslash"),
    "dags/out/archive.ZIP": (b"PK", ".zip in lower case"),
    "dags/out/file/in_it.py": (_LIVE, "which is also a file"),
}


def key_of(path: str) -> str:
    """The path below the DAGs folder of what `LEFT_OUT` names."""
    return path.removeprefix("dags/")


# Not DAG files: each is in the release, and none is reported as an exclusion.
CARRIED: Mapping[str, bytes] = {
    ".airflowignore": b"healthy/ignored/\n",
    "healthy/ignored/broken.py": _LIVE + b"def",
    "healthy/ignored/copy.py": dag("healthy_1").encode(),
    "healthy/jobs/python_2.py": b'from pyspark import SparkContext\nprint "rows", 3\n',
    "healthy/jobs/glue.py": b"import awsglue\n",
    "healthy/jobs/latin_1.py": b"# caf\xe9\n",
    "healthy/templates/report.py": b"{% for x in y %}\n",
    "healthy/queries/a+b ø.sql": b"SELECT 1",
    "healthy/data.bin": bytes(range(256)),
    "healthy/lib.py": b"NUMBER = 2\n",
}
# Healthy DAG files that look odd; the name of a file and its DAG.
ODD: Mapping[str, tuple[str, bytes]] = {
    f"healthy/{'n' * 248}.py": ("odd_longest_name", b""),
    "healthy/ünïcödé 文件.py": ("odd_name", b""),
    "healthy/imports.py": ("odd_imports", b"from healthy.lib import NUMBER"),
    "healthy/prints.py": ("odd_prints", b"print('x' * 10_000)"),
    "healthy/leaves_a_thread.py": (
        "odd_thread",
        b"import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
    ),
    "healthy/closes_its_output.py": (
        "odd_output",
        b"import sys\nsys.stdout.close(); sys.stderr.close()",
    ),
    "healthy/changes_its_folder.py": ("odd_folder", b"import os\nos.chdir('/')"),
    "healthy/bom.py": ("odd_bom", b""),
}


def healthy(count: int) -> tuple[dict[str, bytes], set[str]]:
    """Healthy files, and the ids of their DAGs."""
    files = dict(CARRIED)
    for path, (dag_id, before) in ODD.items():
        files[path] = dag(dag_id, before=before.decode()).encode()
    files["healthy/bom.py"] = b"\xef\xbb\xbf" + files["healthy/bom.py"].lstrip()
    ids = {dag_id for dag_id, _ in ODD.values()}
    for number in range(count - len(files)):
        files[f"healthy/dag_{number}.py"] = dag(f"healthy_{number}").encode()
        ids.add(f"healthy_{number}")
    return files, ids
