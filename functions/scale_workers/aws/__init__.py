"""Workers, queues and state in AWS."""
