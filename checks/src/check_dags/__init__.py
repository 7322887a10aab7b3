"""Check a folder of Airflow DAGs before it becomes a release: on a laptop and in a pipeline."""
