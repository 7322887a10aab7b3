"""DAG releases: the bundle that serves them, their local copies, and reports about them."""
