"""Decide how many workers there should be, and start those that are missing."""
