"""Which DAG ids are certain from a file's text, and which are left to Airflow."""

import pytest

from publish_dags.checks.python_files import examine_source

IMPORT = "from airflow.sdk import DAG, dag\nfrom airflow import models\n"


@pytest.mark.parametrize(
    "text",
    [
        'dag = DAG("sales")',
        'x = DAG(dag_id="sales")',
        'x: DAG = models.DAG("sales", schedule=None)',
        'with DAG("sales") as d:\n    pass',
        '@dag\ndef sales():\n    pass\nsales()',
        '@dag()\ndef sales():\n    pass\nx = sales()',
        '@dag(dag_id="sales", schedule=None)\ndef other():\n    pass\nother()',
        '@dag("sales")\ndef other():\n    pass\nother()',
    ],
)  # fmt: skip
def test_finds_the_dag_when_its_id_is_written_out(text):
    assert set(examine_source("a.py", (IMPORT + text).encode()).dags) == {"sales"}


@pytest.mark.parametrize(
    "text",
    [
        'DAG(NAME)',
        'DAG(f"{x}")',
        'def make():\n    return DAG("sales")',
        'if x:\n    DAG("sales")',
        'for x in y:\n    DAG("sales")',
        '@dag\ndef sales():\n    pass',
        '@dag(**arguments)\ndef sales():\n    pass\nsales()',
        '@dag(dag_id=NAME)\ndef sales():\n    pass\nsales()',
        'try:\n    DAG("sales")\nexcept Exception:\n    pass',
    ],
)  # fmt: skip
def test_leaves_it_to_airflow_when_the_dag_is_not_certain(text):
    assert examine_source("a.py", (IMPORT + text).encode()).dags == {}


def test_leaves_it_to_airflow_when_airflow_would_not_parse_the_file():
    assert examine_source("a.py", b'DAG("sales")').dags == {}
