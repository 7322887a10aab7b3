"""Cloud Map: private DNS names of services."""
