"""Executors that tasks name and the stack does not have: a warning, never a refusal."""

import ast

import pytest

from contracts.names import EXECUTORS
from publish_dags.checks.executors import literal_executors, unknown_executors

IMPORTS = "from airflow.sdk import DAG, task\n"


def found(source: str) -> dict[str, int]:
    return literal_executors(ast.parse(IMPORTS + source))


@pytest.mark.parametrize(
    "source",
    [
        "@task(executor='ecs')\ndef f(): ...",
        "@task\ndef f(): ...\nf.override(executor='ecs')()",
        "DAG('d', default_args={'executor': 'ecs', 'queue': 'gpu'})",
    ],
)
def test_finds_the_literal_executor_of_a_task(source):
    assert found(source) == {"ecs": 2 + source[: source.index("ecs")].count("\n")}


@pytest.mark.parametrize(
    "source",
    [
        "@task(executor=NAME)\ndef f(): ...",
        "if x:\n    @task(executor='ecs')\n    def f(): ...",
        "ThreadPool(executor='ecs')",
    ],
)
def test_finds_no_executor_that_is_not_certain(source):
    assert found(source) == {}


def warnings(name: str, *words: str) -> list[str]:
    return [str(each) for each in unknown_executors({"a.py": {name: 3}}, words)]


@pytest.mark.parametrize("word", EXECUTORS)
def test_every_name_of_an_executor_that_the_stack_has_is_known(word):
    name, path = EXECUTORS[word]
    for each in (name, *((path, path.rpartition(".")[2]) if path else ())):
        assert warnings(each, word) == []


def test_name_of_no_executor_gets_no_advice_that_cannot_work():
    assert warnings("KubernetesExecutor", "celery", "ecs") == [
        "a.py, line 3: names the executor 'KubernetesExecutor', which the stack does not have (it "
        "has CeleryExecutor, ecs): name one of these, or Airflow cannot load the DAG"
    ]
