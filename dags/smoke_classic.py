"""Classic operators, wired with `>>`: a shell command and a Python function."""

import platform

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def describe_worker(greeting: str) -> str:
    """What the task log shows, and what the next task gets as an XCom."""
    description = f"{greeting} from Python {platform.python_version()} on {platform.machine()}"
    print(description)
    return description


with DAG(
    dag_id="smoke_classic",
    schedule=None,
    tags=["smoke", "example"],
    doc_md="""
    ### Classic operators
    A shell command, a Python function, and a shell command that uses the function's result.
    Needs only a worker.
    """,
):
    shell = BashOperator(task_id="shell", bash_command="echo Hello from $(uname -s)")
    python = PythonOperator(
        task_id="python",
        python_callable=describe_worker,
        op_kwargs={"greeting": "Hello"},
    )
    report = BashOperator(
        task_id="report",
        # Through the environment, because a value inside the command could close its quotes.
        bash_command='echo "The Python task said: $SAID"',
        env={"SAID": "{{ ti.xcom_pull(task_ids='python') }}"},
        append_env=True,
    )

    shell >> python >> report
