"""The runs that are due within a quarter of an hour, published for the scaler.

`history` queries the database, `waves` turns the result into slots over time, `publisher` writes
one S3 object and invokes the scaler. This runs only in the scheduler, and only where
WORKER_FORECAST_OBJECT names the object; otherwise there are no queries and no writes.
"""

from airflow_on_fargate.forecast.publisher import install

__all__ = ["install"]
