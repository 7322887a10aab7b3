"""The first user."""
