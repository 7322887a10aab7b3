"""The publisher's checks say what Airflow's own code does with the same file."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagcode import DagCode
from airflow.utils.file import might_contain_dag_via_default_heuristic

from publish_dags.checks.python_files import examine_source, might_hold_a_dag

HEAD = "from airflow.sdk import DAG, dag\nimport sys\n"
# Each text with the DAGs that Airflow finds in it.
TEXTS = {
    'd = DAG("x")': {"x"},
    'DAG("x")': set(),
    'd = DAG("x")\nd = DAG("y")': {"y"},
    'd = DAG("x")\nwith d:\n    pass\nd = DAG("y")': {"x", "y"},
    'with DAG("x"):\n    pass': {"x"},
    'with DAG("x", auto_register=False):\n    pass': set(),
    'with DAG("x", auto_register=False) as d:\n    pass': {"x"},
    "@dag\ndef x():\n    pass\nx()": {"x"},
    "@dag\ndef x():\n    pass": set(),
    '@dag("y", auto_register=False)\ndef x():\n    pass\nx()': set(),
    '@dag("y", auto_register=False)\ndef x():\n    pass\nd = x()': {"y"},
    'd = DAG("x")\ndel d': set(),
    'd = DAG("x")\nraise ValueError': set(),
    'd = DAG("x")\nsys.exit()': set(),
    'd = DAG("x")\ne = DAG("not valid")': set(),
    'class DAG:\n    def __init__(self, name): pass\nd = DAG("x")': set(),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items())
def test_certain_dags_are_those_that_airflow_finds(
    tmp_path: Path, text: str, expected: set[str]
) -> None:
    source = HEAD + text
    path = tmp_path / "a.py"
    path.write_text(source)
    bag = DagBag(str(path), bundle_path=tmp_path, bundle_name="releases")
    assert set(bag.dags) == expected
    assert set(examine_source("a.py", source.encode()).dags) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"airflow dag", b"AIRFLOW DAG", b"airflow", b"dag", b"airflow asset", b"asset", b"",
        b"\xff", b"# airflow\nprint 'dag'",
    ],
)  # fmt: skip
def test_looks_for_dags_in_the_same_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(data)
    assert might_hold_a_dag(data) == might_contain_dag_via_default_heuristic(str(path))


@pytest.mark.parametrize(
    "comment", [b"# gr\xfc\xdfe", b"# coding: latin-1\n# gr\xfc\xdfe", "# grüße".encode()]
)
def test_finds_the_text_that_airflow_cannot_store(tmp_path: Path, comment: bytes) -> None:
    source = comment + b"\nfrom airflow.sdk import DAG\nd = DAG('x')\n"
    path = tmp_path / "a.py"
    path.write_bytes(source)
    try:
        DagCode.get_code_from_file(str(path))
    except UnicodeDecodeError:
        stored = False
    else:
        stored = True
    assert stored == (examine_source("a.py", source).problem is None)
