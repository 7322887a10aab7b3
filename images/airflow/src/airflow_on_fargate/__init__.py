"""What this image adds to Airflow: defaults, start-up, the worker's life cycle, the DAG bundle.

Nothing here is imported by Airflow unless a setting in `configuration` names it.
"""
