"""Replacing the values of secrets while Airflow runs; `command` is the way in."""
