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
        'with DAG("sales"):\n    pass',
        '@dag\ndef sales():\n    pass\nsales()',
        '@dag()\ndef sales():\n    pass\nx = sales()',
        '@dag(dag_id="sales", schedule=None)\ndef other():\n    pass\nother()',
        '@dag("sales")\ndef other():\n    pass\nother()',
        # A global holds it, whether it registers itself or not.
        'd = DAG("sales", auto_register=False)',
        'with DAG("sales", auto_register=False) as d:\n    pass',
        '@dag(auto_register=False)\ndef sales():\n    pass\nx = sales()',
        'd = DAG("sales", **arguments)',
        'a = b = DAG("sales")',
        'a = DAG("sales")\nb = a\na = None',
        # It registers itself, whether a global holds it or not.
        'd = DAG("sales")\nwith d:\n    pass\nd = None',
        'with DAG("sales") as d:\n    pass\ndel d',
        '@dag\ndef sales():\n    pass\nsales = sales()\nsales = None',
        # The names under which Airflow has it.
        'import airflow\nd = airflow.DAG("sales")',
        'import airflow.models.dag\nd = airflow.models.dag.DAG("sales")',
        'import airflow.sdk as a\nd = a.DAG("sales")',
        'from airflow.models import DAG as D\nd = D("sales")',
        'from airflow import sdk\n@sdk.dag\ndef sales():\n    pass\nsales()',
        'from airflow.decorators import dag as d\n@d\ndef sales():\n    pass\nsales()',
        'try:\n    from airflow.sdk import DAG\nexcept ImportError:\n    from airflow import DAG\n'
        'd = DAG("sales")',
        # What follows does not matter.
        'd = DAG("sales")\ndef f():\n    raise ValueError\n',
        'd = DAG("sales")\nif x:\n    e = 1',
        'with DAG("sales"):\n    with DAG(NAME):\n        pass',
    ],
)  # fmt: skip
def test_finds_the_dag_that_airflow_certainly_finds(text):
    assert set(examine_source("a.py", (IMPORT + text).encode()).dags) == {"sales"}


def test_finds_every_dag_of_a_file_with_its_line():
    text = 'with DAG("a") as dag:\n    pass\nwith DAG("b") as dag:\n    pass\nc = DAG("c")\n'
    assert examine_source("a.py", (IMPORT + text).encode()).dags == {"a": 3, "b": 5, "c": 7}


@pytest.mark.parametrize(
    "text",
    [
        'd = DAG(NAME)',
        'd = DAG(f"{x}")',
        'def make():\n    return DAG("sales")',
        'if x:\n    d = DAG("sales")',
        'for x in y:\n    d = DAG("sales")',
        'with suppress(Exception):\n    d = DAG("sales")',
        'class A:\n    d = DAG("sales")',
        'lambda: DAG("sales")',
        '@dag\ndef sales():\n    pass',
        '@dag(**arguments)\ndef sales():\n    pass\nsales()',
        '@dag(dag_id=NAME)\ndef sales():\n    pass\nsales()',
        '@other\n@dag\ndef sales():\n    pass\nsales()',
        '@dag\ndef sales():\n    raise ValueError\nsales()',
        'try:\n    d = DAG("sales")\nexcept Exception:\n    pass',
    ],
)  # fmt: skip
def test_ignores_a_dag_that_may_not_exist(text):
    assert examine_source("a.py", (IMPORT + text).encode()).dags == {}


@pytest.mark.parametrize(
    "text",
    [
        'DAG("sales")',
        'x = [DAG("sales")]',
        'x.y = DAG("sales")',
        'd = DAG("sales")\nd = None',
        'd = DAG("sales")\nd = DAG(NAME)',
        'd = DAG("sales")\ndel d',
        'd = DAG("sales")\nfor d in x:\n    pass',
        'd = DAG("sales")\nif x:\n    d = None',
        'd = DAG("sales")\nimport d',
        'd = DAG("sales")\ntry:\n    pass\nexcept E as d:\n    pass',
        'd = DAG("sales")\n(d := None)',
        'd = DAG("sales")\ndef f():\n    global d\n    d = None',
        'd = DAG("sales")\ndel globals()["d"]',
        'with DAG("sales", auto_register=False):\n    pass',
        'with DAG("sales", auto_register=False) as d:\n    pass\ndel d',
        'with DAG("sales", auto_register=x):\n    pass',
        'with DAG("sales", **arguments):\n    pass',
        '@dag(auto_register=False)\ndef sales():\n    pass\nsales()',
        'd = DAG("sales")\nd.dag_id = "other"',
    ],
)  # fmt: skip
def test_finds_no_dag_that_no_global_holds_and_that_does_not_register_itself(text):
    assert examine_source("a.py", (IMPORT + text).encode()).dags == {}


@pytest.mark.parametrize(
    "text",
    [
        'from networkx import DAG\nd = DAG("sales")',
        'from .graphs import DAG\nd = DAG("sales")',
        'class DAG:\n    pass\nd = DAG("sales")',
        'def DAG(name):\n    pass\nd = DAG("sales")',
        'DAG = make\nd = DAG("sales")',
        'import graphs\nd = graphs.DAG("sales")',
        'from graphs import *\nd = DAG("sales")',
        'from tools import dag\n@dag\ndef sales():\n    pass\nsales()',
        '@dag\ndef sales():\n    pass\nsales = other\nsales()',
        'try:\n    from graphs import DAG\nexcept ImportError:\n    from airflow import DAG\n'
        'd = DAG("sales")',
        'if x:\n    from graphs import DAG\nd = DAG("sales")',
        'from airflow.lineage import DAG\nd = DAG("sales")',
    ],
)  # fmt: skip
def test_finds_no_dag_of_a_class_or_decorator_that_is_not_airflows(text):
    assert examine_source("a.py", (IMPORT + text).encode()).dags == {}


@pytest.mark.parametrize(
    "stop",
    [
        "raise SystemExit",
        "import sys\nsys.exit()",
        "import sys\nsys.exit(1)",
        "exit()",
        "quit()",
        "import os\nos._exit(0)",
        "if not CONFIGURED:\n    raise RuntimeError",
        "try:\n    import x\nexcept ImportError:\n    raise",
        "class A:\n    raise ValueError",
        "with x:\n    raise ValueError",
    ],
)
@pytest.mark.parametrize("after", [True, False])
def test_finds_no_dag_in_a_file_that_may_stop(stop, after):
    made = 'd = DAG("sales")'
    text = f"{stop}\n{made}" if after else f"{made}\n{stop}"
    assert examine_source("a.py", (IMPORT + text).encode()).dags == {}


@pytest.mark.parametrize("dag_id", ["a b", "a/b", "", "x" * 251])
def test_finds_no_dag_in_a_file_with_an_id_that_airflow_refuses(dag_id):
    text = f'd = DAG("sales")\ne = DAG("{dag_id}")' if dag_id else 'd = DAG("")'
    assert examine_source("a.py", (IMPORT + text).encode()).dags == {}


def test_leaves_it_to_airflow_when_airflow_would_not_parse_the_file():
    assert examine_source("a.py", b'd = DAG("sales")').dags == {}
