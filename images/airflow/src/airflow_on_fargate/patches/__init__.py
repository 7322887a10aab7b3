"""Corrections of pinned versions."""
