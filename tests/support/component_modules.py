"""The modules that the components of Airflow import when they start."""

# The main modules of the components, and what their settings name.
STARTED = (
    "airflow.api_fastapi.core_api.app",
    "airflow.dag_processing.manager",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.amazon.aws.log.s3_task_handler",
    "airflow.providers.amazon.aws.secrets.secrets_manager",
    "airflow.providers.celery.executors.celery_executor",
    "airflow.providers.fab.auth_manager.fab_auth_manager",
    "airflow.providers.fab.www.app",
    "airflow.sdk.execution_time.supervisor",
    "celery.bin.worker",
    "kombu.transport.SQS",
    "uvicorn",
)
