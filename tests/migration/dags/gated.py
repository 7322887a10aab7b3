"""Tasks that end when the test says so: each waits for a file, which the run's `conf` names."""

from datetime import timedelta

from airflow.sdk import DAG, task


def gated(dag_id: str, queue: str) -> None:
    with DAG(dag_id, schedule=None, catchup=False):

        @task(queue=queue, retries=0, execution_timeout=timedelta(hours=1))
        def wait(**context: object) -> str:
            import time
            from pathlib import Path

            gate = Path(context["dag_run"].conf["gate"])  # type: ignore[attr-defined]
            print(f"waiting for {gate.name}", flush=True)
            while not gate.exists():
                time.sleep(1)
            return "ended"

        wait()


gated("gated", "default")
gated("gated_heavy", "heavy")
