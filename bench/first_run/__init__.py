"""How long a machine needs until the first success of a DAG run, beside `airflow standalone`."""
