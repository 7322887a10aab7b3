"""Turn the files under the DAGs folder of the bucket into one validated, immutable release."""
