"""The schema of the metadata database: compare it, change it, and go back."""
