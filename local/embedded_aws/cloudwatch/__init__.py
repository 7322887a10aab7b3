"""CloudWatch: alarms, and the metrics that they read."""
