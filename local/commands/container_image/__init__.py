"""The image of images/airflow/Dockerfile, built on this machine by Docker or podman."""
