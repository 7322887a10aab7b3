"""Publish the files in the bucket's DAGs folder, or a zip file, as a validated release."""
