"""What a release may contain: every check runs without importing a DAG file."""
