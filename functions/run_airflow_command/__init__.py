"""Run an Airflow CLI command as a Fargate task, for CloudFormation or for a direct call."""
