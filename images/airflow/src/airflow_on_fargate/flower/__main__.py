"""`python -m airflow_on_fargate.flower celery flower`."""

from airflow_on_fargate.flower import main

if __name__ == "__main__":
    main()
