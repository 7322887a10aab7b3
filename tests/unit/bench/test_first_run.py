"""The bench of the first run: what it reads of `make up`, and which targets hold."""

import pytest

from bench.first_run.make_up import Up, steps_of
from bench.first_run.report import Round, table, targets
from commands.steps import Steps


def rounds(standalone: float, first_success: float, whole: float) -> list[Round]:
    up = Up(first_success, whole, {"sam build": 7.0, "sam deploy (airflow-local)": 40.0})
    return [Round(standalone, up, (0.1, 0.2))] * 3


def test_reads_the_steps_that_make_up_prints(capsys):
    steps = Steps()
    with steps.step("sam deploy (airflow-local)"):
        pass
    steps.reached("First success of a DAG run (smoke_classic)")
    steps.summary()

    assert steps_of(capsys.readouterr().out.splitlines()) == {"sam deploy (airflow-local)": 0.0}


@pytest.mark.parametrize(
    ("standalone", "first_success", "whole", "results"),
    [
        (40, 80, 120, ["pass", "pass"]),
        (40, 81, 119, ["miss", "pass"]),
        (40, 60, 121, ["pass", "miss"]),
    ],
)
def test_each_target_passes_or_misses(standalone, first_success, whole, results):
    lines = targets(rounds(standalone, first_success, whole))
    assert [line.split()[0] for line in lines[:2]] == results


def test_miss_names_the_longest_steps():
    assert "sam deploy (airflow-local) 40.0 s, sam build 7.0 s" in targets(rounds(40, 100, 130))[-1]


def test_table_has_a_row_for_each_round():
    assert table(rounds(40, 60, 100)).splitlines()[-1] == (
        "| 3 | 40.0 s | 60.0 s | 1.50 | 100.0 s | 0.1 / 0.2 |"
    )
