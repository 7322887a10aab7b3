"""What the scheduler knows of the next quarter of an hour, published for the fleet's scaler.

`history` asks the database, `waves` turns what it says into slots over time, `publisher` writes one
S3 object and tells the scaler. Only in the scheduler, and only where WORKER_FORECAST_OBJECT names
the object; without it nothing is asked and nothing written.
"""

from airflow_on_fargate.forecast.publisher import install

__all__ = ["install"]
