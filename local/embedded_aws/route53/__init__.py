"""Route 53: record sets of a template."""
