"""SQS: queues of a template."""
