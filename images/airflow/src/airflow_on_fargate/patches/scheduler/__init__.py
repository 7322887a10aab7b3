"""Patches of the scheduler."""
