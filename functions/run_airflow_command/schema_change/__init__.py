"""What a schema change needs beyond a command: the way back and the services."""
