"""build_image: makes the Airflow image without Docker and stores it in the account's ECR."""
