"""What this image adds to Airflow: settings, start-up, the worker's life cycle, the DAG bundle.

Airflow imports a module of this package only where a setting in `configuration` names it.
"""
