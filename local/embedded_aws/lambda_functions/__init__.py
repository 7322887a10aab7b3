"""Lambda: functions as processes, invoked by other services and as custom resources."""
