"""RDS: database instances as real PostgreSQL servers."""
