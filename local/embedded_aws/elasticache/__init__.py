"""ElastiCache: replication groups as real Valkey servers."""
