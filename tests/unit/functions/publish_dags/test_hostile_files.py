"""Files that are written to stop the publisher: each is reported, and the others are published.

A publisher that dies writes no report, and no later change is published while the file is there.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from dag_folder import DagFolder, dag

from publish_dags.checks import python_files
from publish_dags.checks.python_files import MAX_SOURCE_BYTES, examine_source
from publish_dags.publisher import Outcome

FUNCTIONS = Path(python_files.__file__).parents[2]
LONG_NAME = "a" * 240 + ".py"
# Comparisons take the most memory for each byte of source.
COSTLY = b"# airflow dag\nx = " + b"a<" * (MAX_SOURCE_BYTES // 2 - 20) + b"a\n"


@pytest.fixture
def folder():
    return DagFolder()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "pattern", ["*a*a*a*a*b", "*" + "a*" * 50 + "b", "/**/" + "*a*/**/" * 20 + "b"]
)
def test_ignore_pattern_that_multiplies_attempts_is_matched_at_once(folder, pattern):
    files = {f"{folder_}/{LONG_NAME}": dag(folder_) for folder_ in ("b", "c", "a/a/a/a/a/a/a/a/a")}
    started = time.process_time()
    publication = folder.publish({".airflowignore": pattern, **files})
    assert time.process_time() - started < 5
    assert publication.outcome is Outcome.PUBLISHED
    assert set(files) <= set(folder.current_files)


def test_ignore_file_with_too_many_patterns_stays_out(folder):
    text = "\n".join(f"a{number}" for number in range(1001))
    folder.publish({".airflowignore": text, "a.py": dag("a")})
    assert folder.exclusions == {".airflowignore": "contains 1,001 patterns; 1,000 are allowed"}
    assert set(folder.current_files) == {"a.py"}


def test_ignore_file_of_a_release_is_checked_again_when_the_checks_changed(folder, monkeypatch):
    from publish_dags.checks import examination
    from shared import ignore_files

    monkeypatch.setattr(ignore_files, "MAX_PATTERNS", 10_000)
    monkeypatch.setattr(examination, "CHECKS", examination.CHECKS - 1)
    folder.publish({".airflowignore": "\n".join("ab" * 600), "a.py": dag("a")})
    assert folder.exclusions == {}
    monkeypatch.undo()
    folder.publish({"b.py": dag("b")})
    assert list(folder.exclusions) == [".airflowignore"]


def test_python_file_that_is_too_large_to_be_parsed_stays_out(folder):
    huge = b"# airflow dag\n" + b"x=0\n" * (MAX_SOURCE_BYTES // 4)
    publication = folder.publish({"huge.py": huge, "a.py": dag("a")})
    assert publication.outcome is Outcome.PUBLISHED
    assert folder.exclusions == {
        "huge.py": f"has {len(huge):,} bytes; 524,288 are allowed in a Python file"
    }
    assert set(folder.current_files) == {"a.py"}


def test_large_python_file_without_dags_is_live_with_a_warning(folder):
    publication = folder.publish({"tables.py": b"x=0\n" * (MAX_SOURCE_BYTES // 4 + 1)})
    assert set(folder.current_files) == {"tables.py"}
    assert "are allowed in a Python file" in str(publication.warnings[0])


@pytest.mark.timeout(300)
def test_largest_python_files_fit_into_the_memory_of_the_function(tmp_path):
    """Sixteen are read in parallel; the function has 1,769 MB."""
    (tmp_path / "costly.py").write_bytes(COSTLY)
    program = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1769 * 10**6 + 16 * 2**26, -1))
from publish_dags.checks.python_files import examine_source
source = Path(sys.argv[1]).read_bytes()
with ThreadPoolExecutor(16) as pool:
    found = list(pool.map(lambda n: examine_source("costly.py", source), range(2)))
assert all(each.problem is None for each in found), found
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "costly.py"],
        cwd=FUNCTIONS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1100


@pytest.mark.parametrize(
    "text",
    [
        "x = a" + ".a" * 3000 + "()",
        "from airflow.sdk import DAG\nDAG" + ".a" * 3000 + "()",
        "@a" + ".a" * 3000 + "\ndef f(): pass",
        "x = " + "(" * 150 + "a" + ".a()" * 1500 + ")" * 150,
        "x = a" + "()" * 3000,
        "x = a" + "[0].b" * 3000,
        "x = " + "-" * 100_000 + "1",
        "if a:\n pass\n" + "elif a:\n pass\n" * 5000,
    ],
)
def test_deeply_nested_source_does_not_end_the_check(folder, text):
    deep = f"# airflow dag\n{text}\n"
    examine_source("deep.py", deep.encode())
    publication = folder.publish({"deep.py": deep, "a.py": dag("a")})
    assert publication.outcome is Outcome.PUBLISHED
    assert "a.py" in folder.current_files


def test_refusal_is_written_when_checking_takes_too_long(folder):
    folder.publish({"a.py": dag("a")})
    folder.change({f"b{number}.py": dag(f"b{number}") for number in range(40)})
    publisher = folder.publisher()
    left = iter([False] * 20)
    object.__setattr__(publisher, "out_of_time", lambda: next(left, True))
    publication = publisher.publish()
    assert publication.outcome is Outcome.REFUSED
    assert "checking the files took too long" in folder.report()["problems"][0]["reason"]
    # The regular check does not repeat it, and readers keep the release before.
    assert folder.publisher().publish(again=False).known
    assert set(folder.current_files) == {"a.py"}
