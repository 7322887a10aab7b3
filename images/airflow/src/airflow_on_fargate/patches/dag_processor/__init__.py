"""Patches of the dag-processor."""
