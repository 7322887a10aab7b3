"""Decide how many workers each queue needs, and start those that are missing."""
