"""How the time of workers is divided among DAGs."""

from datetime import UTC, datetime, timedelta

import pytest

from airflow_on_fargate.database import worker_hours
from airflow_on_fargate.database.worker_hours import Request, Span, divide, report

START = datetime(2026, 3, 1, tzinfo=UTC)


def span(host: str, dag_id: str, start: float, end: float) -> Span:
    """A task of a DAG, in hours."""
    return Span(host, dag_id, START + timedelta(hours=start), START + timedelta(hours=end))


def request(**changed: object) -> Request:
    return Request(
        **{"days": 30, "usd_per_hour": None, "worker_hours": None, "most": 40, **changed}
    )


def hours(spans: list[Span]) -> dict[str, float]:
    return {name: use.worker_seconds / 3600 for name, use in divide(spans).items()}


def test_task_that_runs_alone_uses_the_whole_worker() -> None:
    assert hours([span("a", "orders", 0, 2)]) == {"orders": 2}


def test_tasks_that_run_together_share_the_worker() -> None:
    spans = [span("a", "orders", 0, 2), span("a", "mail", 1, 2), span("a", "mail", 1, 2)]

    # An hour alone, and a third of the second hour.
    assert hours(spans) == {"orders": pytest.approx(4 / 3), "mail": pytest.approx(2 / 3)}


def test_hours_of_all_dags_are_those_in_which_some_task_ran() -> None:
    spans = [
        span("a", "orders", 0, 1),
        span("a", "mail", 0.5, 3),
        span("a", "orders", 5, 6),
        span("b", "orders", 0, 1),
    ]

    assert sum(hours(spans).values()) == pytest.approx(3 + 1 + 1)


def test_workers_are_counted_apart() -> None:
    spans = [span("a", "orders", 0, 1), span("b", "mail", 0, 1)]

    assert hours(spans) == {"orders": 1, "mail": 1}


def test_tasks_without_a_duration_count_nothing() -> None:
    assert divide([span("a", "orders", 1, 1), span("a", "mail", 2, 1)]) == {}


def test_report_has_a_row_for_each_dag_and_the_sum() -> None:
    used = divide([span("a", "orders", 0, 3), span("b", "mail", 0, 1)])

    lines = report(used, request(usd_per_hour=0.05)).splitlines()

    assert lines == [
        "DAG    | tasks | task hours | worker hours |  share |  USD",
        "=======+=======+============+==============+========+=====",
        "orders |     1 |       3.00 |         3.00 |  75.0% | 0.15",
        "mail   |     1 |       1.00 |         1.00 |  25.0% | 0.05",
        "all    |     2 |       4.00 |         4.00 | 100.0% | 0.20",
        "Within 30 days, from Airflow's history.",
    ]


def test_hours_on_the_bill_are_divided_by_share_and_the_idle_time_is_named() -> None:
    used = divide([span("a", "orders", 0, 3), span("b", "mail", 0, 1)])

    lines = report(used, request(usd_per_hour=1.0, worker_hours=8.0)).splitlines()

    assert [line.split("|")[-1].strip() for line in lines[2:5]] == ["6.00", "2.00", "8.00"]
    assert lines[-1] == (
        "Of 8.00 worker hours, tasks ran in 4.00; in the other 4.00 (50%) workers started, "
        "waited or exited."
    )


def test_fewer_hours_on_the_bill_than_in_the_history_are_questioned() -> None:
    used = divide([span("a", "orders", 0, 3)])

    assert "more than the 2.00 that you gave" in report(used, request(worker_hours=2.0))


def test_dags_beyond_the_most_are_summed_up() -> None:
    used = divide([span(str(n), f"dag_{n}", 0, n) for n in (1, 2, 3)])

    lines = report(used, request(most=1)).splitlines()

    assert [line.split(" |")[0].strip() for line in lines[2:5]] == [
        "dag_3",
        "(2 other DAGs)",
        "all",
    ]
    assert lines[3].split("|")[3].strip() == "3.00"


def test_history_without_tasks_is_said() -> None:
    assert report({}, request(days=7)) == "No task ran on a worker within 7 days."


@pytest.mark.parametrize("arguments", [["--days", "0"], ["--most", "-1"], ["--week"]])
def test_wrong_arguments_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        worker_hours.main(*arguments)
    assert ended.value.code == 2
    assert "usage: worker-hours" in capsys.readouterr().err
