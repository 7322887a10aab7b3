"""Names derived from the stack's name."""

from contracts import names


def test_names_start_with_the_stacks_name():
    assert names.task_family("airflow", names.WORKER) == "airflow-worker"
    assert names.scaler_function("airflow") == "airflow-scale-workers"
