"""Patches of the triggerer."""
