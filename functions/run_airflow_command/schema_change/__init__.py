"""What a schema change needs besides the command: the rollback, and the services' counts."""
