"""What a release may hold: every check runs without importing a DAG file."""
