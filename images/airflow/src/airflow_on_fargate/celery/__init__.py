"""What is configured in Celery: the broker, the result backend, the call of the scaler."""
