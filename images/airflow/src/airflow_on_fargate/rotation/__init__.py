"""Replaces the values of secrets while Airflow runs; `command` is the entry point."""
