"""Patches of Flower."""
