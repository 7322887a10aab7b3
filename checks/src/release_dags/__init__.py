"""Releases seen from a pipeline: upload one, show what it would change, promote it, compare two."""
