"""Queues that tasks ask for and the stack does not have: a warning, never a refusal."""

import ast

import pytest
from dag_folder import DagFolder, dag

from publish_dags.checks.queues import foreign_queues, literal_queues, unknown_queues
from publish_dags.publisher import Outcome

IMPORTS = """\
import pendulum
from airflow import decorators, sdk
from airflow.models.baseoperator import BaseOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.python import PythonSensor as Sensor
from airflow.sdk import DAG, TaskGroup, dag, task, task_group
"""


def found(source: str) -> dict[str, int]:
    """The queues of a source under the imports, with lines that count from the source."""
    above = IMPORTS.count("\n")
    queues = literal_queues(ast.parse(IMPORTS + source))
    return {name: line - above for name, line in queues.items()}


@pytest.mark.parametrize(
    "source",
    [
        "BashOperator(task_id='a', bash_command='true', queue='gpu')",
        "BaseOperator(queue='gpu')",
        "Sensor(queue='gpu')",
        "BashOperator.partial(queue='gpu').expand(bash_command=['a'])",
        "@task(queue='gpu')\ndef f(): ...",
        "@task.bash(queue='gpu')\ndef f(): ...",
        "@sdk.task(queue='gpu')\ndef f(): ...",
        "@decorators.task.virtualenv(queue='gpu')\ndef f(): ...",
        "f = task(queue='gpu')(g)",
        "@dag()\ndef d():\n    @task(queue='gpu')\n    def f(): ...\n    f()\nd()",
        "with DAG('d'):\n    for n in range(3):\n        BashOperator(queue='gpu')",
        "@task\ndef f(): ...\nf.override(queue='gpu')()",
        "@task\ndef f(): ...\nf.partial(queue='gpu').expand(x=[1])",
        "DAG('d', default_args={'owner': 'me', 'queue': 'gpu'})",
        "DAG('d', default_args=dict(queue='gpu'))",
        "default_args = {'queue': 'gpu'}\nDAG('d', default_args=default_args)",
        "ARGS: dict = {'queue': 'gpu'}\n@dag(default_args=ARGS)\ndef d(): ...",
        "with TaskGroup('g', default_args={'queue': 'gpu'}): ...",
        "@task_group(default_args={'queue': 'gpu'})\ndef g(): ...",
    ],
)
def test_finds_the_literal_queue_of_a_task(source):
    assert found(source) == {"gpu": source[: source.index("gpu")].count("\n") + 1}


def test_finds_a_queue_when_either_import_is_airflows():
    source = (
        "try:\n    from airflow.sdk import task as t\n"
        "except ImportError:\n    from airflow.decorators import task as t\n"
        "@t(queue='gpu')\ndef f(): ..."
    )
    assert found(source) == {"gpu": 5}


def test_names_the_first_line_of_each_queue():
    source = "BashOperator(queue='b')\nBashOperator(queue='a')\nBashOperator(queue='b')"
    assert found(source) == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    "source",
    [
        # Not a literal.
        "BashOperator(queue=QUEUE)",
        "BashOperator(queue='gpu' if PROD else 'default')",
        "BashOperator(queue=f'gpu-{env}')",
        "BashOperator(**{'queue': 'gpu'})",
        # Calls of others.
        "import pika\nchannel.basic_publish(queue='gpu')\nchannel.queue_declare(queue='gpu')",
        "from celery import Celery\napp = Celery()\n@app.task(queue='gpu')\ndef f(): ...",
        "f.apply_async(queue='gpu')",
        "from kombu import Consumer\nConsumer(queue='gpu')",
        "from prefect import task\n@task(queue='gpu')\ndef f(): ...",
        "from ours import JobOperator\nJobOperator(queue='gpu')",
        "class MyOperator:\n    def __init__(self, queue): ...\nMyOperator(queue='gpu')",
        "def f(task):\n    task(queue='gpu')",
        "BashOperator = object\nBashOperator(queue='gpu')",
        "f.override(queue='gpu')()",
        "f.partial(queue='gpu')",
        # A queue of another system.
        "from airflow.providers.apache.livy.operators.livy import LivyOperator\n"
        "LivyOperator(queue='gpu')",
        "@task.stub(queue='gpu')\ndef f(): ...",
        # Perhaps for another environment, or for another executor.
        "if PROD:\n    BashOperator(queue='gpu')",
        "try:\n    BashOperator(queue='gpu')\nexcept Exception: ...",
        "PROD and BashOperator(queue='gpu')",
        "BashOperator(queue='gpu', executor='ecs')",
        "DAG('d', default_args={'queue': 'gpu', 'executor': 'ecs'})",
        # Perhaps changed.
        "ARGS = {'queue': 'gpu'}\nARGS = {}\nDAG('d', default_args=ARGS)",
        "ARGS = {'queue': 'gpu'}\nARGS['queue'] = q\nDAG('d', default_args=ARGS)",
        "ARGS = {'queue': 'gpu'}\nARGS.update(more)\nDAG('d', default_args=ARGS)",
        "DAG('d', default_args={'queue': 'gpu', **more})",
        # Never given to a DAG.
        "default_args = {'queue': 'gpu'}",
        "from ours import *\nBashOperator(queue='gpu')",
    ],
)
def test_says_nothing_that_is_not_certain(source):
    assert found(source) == {}


def test_reports_file_line_and_the_queues_that_exist():
    asked = {"b.py": {"gpu": 3, "default": 1}, "a.py": {"x" * 300: 9}}
    assert [str(each) for each in unknown_queues(asked, ("default", "reports"))] == [
        f"a.py, line 9: uses the queue '{'x' * 100}…', which the stack does not have (the queues "
        "are default, reports)",
        "b.py, line 3: uses the queue 'gpu', which the stack does not have (the queues are "
        "default, reports)",
    ]


def queued(name: str, queue: str = "gpu") -> bytes:
    text = f"from airflow.sdk import task\n@task(queue='{queue}')\ndef f(): ..."
    return dag(name, text)


WARNING = (
    "a.py, line 3: uses the queue 'gpu', which the stack does not have (the queues are default)"
)


def test_publishes_with_a_warning_when_the_stack_does_not_have_a_queue():
    folder = DagFolder()
    publication = folder.publish({"a.py": queued("a"), "b.py": queued("b", "default")})
    assert publication.outcome is Outcome.PUBLISHED
    assert [str(each) for each in publication.warnings] == [WARNING]
    assert folder.pointer["changes"]["warnings"] == [WARNING]
    assert publication.new_warnings == publication.warnings


def test_still_warns_when_another_file_changed():
    folder = DagFolder()
    folder.publish({"a.py": queued("a")})
    publication = folder.publish({"b.py": dag("b")})
    assert publication.files_read == 1
    assert [str(each) for each in publication.warnings] == [WARNING]
    assert publication.new_warnings == ()


def test_stops_warning_when_the_stack_has_the_queue():
    folder = DagFolder()
    folder.publish({"a.py": queued("a")})
    folder.queues = ("default", "gpu")
    assert folder.publish({"b.py": dag("b")}).warnings == ()


def test_reads_files_again_that_an_earlier_version_checked(monkeypatch):
    folder = DagFolder()
    monkeypatch.setattr("publish_dags.checks.examination.CHECKS", 2)
    monkeypatch.setattr("publish_dags.checks.python_files.literal_queues", lambda _: {})
    folder.publish({"a.py": queued("a")})
    monkeypatch.undo()
    publication = folder.publish({"b.py": dag("b")})
    assert [str(each) for each in publication.warnings] == [WARNING]


def test_warns_of_a_module_that_a_dag_imports():
    module = "from airflow.sdk import task\n@task(queue='gpu')\ndef f(): ..."
    files = {"a.py": dag("a", "import lib.steps"), "lib/steps.py": module}
    publication = DagFolder().publish(files)
    assert [each.path for each in publication.warnings] == ["lib/steps.py"]


def test_says_nothing_of_a_file_that_airflow_does_not_parse():
    folder = DagFolder()
    script = "from airflow.sdk import task\n@task(queue='gpu')\ndef f(): ..."
    files = {"a.py": queued("a"), ".airflowignore": "a.py", "jobs/b.py": script}
    assert folder.publish(files).warnings == ()


def test_reports_an_isolated_queue_outside_its_folder():
    names = {"team-a": 7, "heavy": 2}
    asked = {"team-b/x.py": names, "team-a/x.py": names, "team-a.py": {"team-a": 1}}
    assert [str(each) for each in foreign_queues(asked, ("team-a", "team-b"))] == [
        "team-a.py, line 1: uses the isolated queue 'team-a', whose workers run only the DAG files "
        "in team-a/: these tasks will fail",
        "team-b/x.py, line 7: uses the isolated queue 'team-a', whose workers run only the DAG "
        "files in team-a/: these tasks will fail",
    ]
