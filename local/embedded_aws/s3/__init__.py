"""S3: buckets, and the events of their objects."""
