"""Patches of how logs of tasks are written and read."""
